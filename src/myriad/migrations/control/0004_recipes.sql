-- How each table is published: what was said of it, as the options of `publish` name it.
CREATE TABLE IF NOT EXISTS public.recipe (
    database text NOT NULL,
    dataset text NOT NULL,
    name text NOT NULL,
    recipe jsonb NOT NULL,
    changed timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (database, dataset, name)
);
