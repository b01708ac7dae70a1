"""Names that a command needs before it loads what `up` consists of."""

LOG = "myriad.log"  # of `up`, in the home's `logs`
# Only a part of a socket's name, and not the engine's: the door listens there beside its address.
LOCAL_PORT = 6432
POSTGRES_AT = "MYRIAD_POSTGRES_AT"  # an environment variable, because command lines are public
