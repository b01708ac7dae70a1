-- Whom lists of `person sync` name. Null: none did, somebody added them by hand. `new`: the last one
-- did, and nobody was told their password yet; `listed`: it did; `gone`: it did not, so that they were
-- disabled.
ALTER TABLE public.person ADD COLUMN IF NOT EXISTS roster text
    CHECK (roster IN ('new', 'listed', 'gone'));
-- Whether such a list ever named a group: then it says which of its people are in it.
ALTER TABLE public.grp ADD COLUMN IF NOT EXISTS roster boolean NOT NULL DEFAULT false;
