-- What a group may of one table or view of a dataset, beside whole datasets (public.grants). It stays
-- when the table goes, or a column of it, and holds again when that comes back.
CREATE TABLE IF NOT EXISTS public.table_grant (
    grp text NOT NULL REFERENCES public.grp ON DELETE CASCADE,
    database text NOT NULL,
    dataset text NOT NULL,
    name text NOT NULL,
    write boolean NOT NULL,
    columns text[], -- null: all of them, also those that come later
    PRIMARY KEY (grp, database, dataset, name),
    CHECK (columns IS NULL OR (cardinality(columns) > 0 AND NOT write))
);
-- Datasets whose rights are being changed. Who was killed at it leaves its row: the next change of
-- grants makes these rights what is written.
CREATE TABLE IF NOT EXISTS public.unsettled (
    database text NOT NULL,
    dataset text NOT NULL,
    PRIMARY KEY (database, dataset)
);
