-- A version has the number that it got first for good; the order in which versions were shown is
-- another one.

ALTER TABLE myriad.version RENAME COLUMN number TO turn;
ALTER TABLE myriad.version ADD COLUMN number integer;
UPDATE myriad.version SET number = turn;
ALTER TABLE myriad.version ALTER COLUMN number SET NOT NULL;

-- The last number that was given to a version of a table: none is given twice, even when nothing of
-- the table is kept.
CREATE TABLE myriad.numbered (
    dataset text NOT NULL,
    name text NOT NULL,
    last integer NOT NULL,
    PRIMARY KEY (dataset, name)
);
INSERT INTO myriad.numbered (dataset, name, last)
SELECT dataset, name, max(turn) FROM myriad.version GROUP BY dataset, name;
