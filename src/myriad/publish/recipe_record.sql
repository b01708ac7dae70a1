-- name: of_dataset
SELECT name, recipe FROM public.recipe WHERE database = %(database)s AND dataset = %(dataset)s;

-- name: one
SELECT recipe FROM public.recipe
WHERE database = %(database)s AND dataset = %(dataset)s AND name = %(name)s;

-- name: save
INSERT INTO public.recipe (database, dataset, name, recipe)
VALUES (%(database)s, %(dataset)s, %(name)s, %(recipe)s)
ON CONFLICT (database, dataset, name) DO UPDATE SET recipe = excluded.recipe, changed = now();

-- name: forget
DELETE FROM public.recipe
WHERE database = %(database)s AND dataset = %(dataset)s AND name = %(name)s;

-- name: finish
-- By whoever finishes what began then: what was said since is newer.
INSERT INTO public.recipe (database, dataset, name, recipe)
VALUES (%(database)s, %(dataset)s, %(name)s, %(recipe)s)
ON CONFLICT (database, dataset, name) DO UPDATE SET recipe = excluded.recipe, changed = now()
WHERE recipe.changed < %(began)s;

-- name: note
INSERT INTO myriad.recipe (dataset, name, recipe) VALUES (%(dataset)s, %(name)s, %(recipe)s)
ON CONFLICT (dataset, name) DO UPDATE SET recipe = excluded.recipe;

-- name: is_noting
-- Nothing is noted where nothing was published, or only by a version that noted nothing.
SELECT to_regclass('myriad.recipe') IS NOT NULL AS yes;

-- name: take
SELECT dataset, name, recipe FROM myriad.recipe ORDER BY dataset, name FOR UPDATE;

-- name: taken
DELETE FROM myriad.recipe WHERE dataset = %(dataset)s AND name = %(name)s;
