-- How whoever ran it came in: `postgres` with a password by its protocol, or the word of a program of
-- ours that spoke for them.
ALTER TABLE public.audit_0 ADD COLUMN IF NOT EXISTS way text NOT NULL DEFAULT 'postgres';
ALTER TABLE public.audit_1 ADD COLUMN IF NOT EXISTS way text NOT NULL DEFAULT 'postgres';
CREATE OR REPLACE VIEW public.audit AS
SELECT * FROM public.audit_0 UNION ALL SELECT * FROM public.audit_1;
