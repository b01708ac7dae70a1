-- What a run says of recipes, in the transaction that changes the tables, until the control database,
-- where all recipes stand, has it: whoever looks there first takes over what is left here.
CREATE TABLE myriad.recipe (
    dataset text NOT NULL,
    name text NOT NULL,
    recipe jsonb NOT NULL, -- '{}': it is forgotten
    PRIMARY KEY (dataset, name)
);
