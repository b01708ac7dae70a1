"""Names that a command needs before it loads what `up` consists of."""

LOG = "myriad.log"  # of `up`, in the home's `logs`
POSTGRES_AT = "MYRIAD_POSTGRES_AT"  # an environment variable, because command lines are public
