-- name: of_dataset
SELECT name, recipe FROM public.recipe WHERE database = %s AND dataset = %s;

-- name: save
INSERT INTO public.recipe (database, dataset, name, recipe)
VALUES (%(database)s, %(dataset)s, %(name)s, %(recipe)s)
ON CONFLICT (database, dataset, name) DO UPDATE SET recipe = excluded.recipe, changed = now();

-- name: forget
DELETE FROM public.recipe
WHERE database = %(database)s AND dataset = %(dataset)s AND name = %(name)s;
