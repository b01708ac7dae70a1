-- What statements cost, by their shape: a text without any value. One row for each shape and day.
-- `times`: how many took so long, by bucket; `people`: the smallest numbers of who ran it (see
-- `ledger.statistics`).
CREATE TABLE IF NOT EXISTS public.statement (
    shape bigint NOT NULL,
    day date NOT NULL,
    text text NOT NULL,
    calls bigint NOT NULL,
    errors bigint NOT NULL,
    rows numeric NOT NULL,
    seconds double precision NOT NULL,
    times bigint[] NOT NULL,
    people bigint[] NOT NULL,
    PRIMARY KEY (day, shape)
);
