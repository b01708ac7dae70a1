-- Datasets in which groups make things of their own, and how many MB each may hold.
CREATE TABLE IF NOT EXISTS public.workspace (
    database text NOT NULL,
    dataset text NOT NULL,
    role text NOT NULL UNIQUE,
    megabytes double precision NOT NULL CHECK (megabytes > 0),
    PRIMARY KEY (database, dataset)
);
CREATE TABLE IF NOT EXISTS public.workspace_group (
    database text NOT NULL,
    dataset text NOT NULL,
    grp text NOT NULL REFERENCES public.grp ON DELETE CASCADE,
    PRIMARY KEY (database, dataset, grp),
    FOREIGN KEY (database, dataset) REFERENCES public.workspace ON DELETE CASCADE
);
