package myriad;

import java.util.Set;
import org.apache.cassandra.auth.CassandraRoleManager;

/**
 * Cassandra's roles, but nobody changes their own password, and nobody gives a hash.
 *
 * A hash is tried before anybody asks who gives it, also in a statement that is only prepared or
 * stands in a batch, with up to 2^30 rounds that it says itself; and it is written unescaped.
 * Myriad writes into the table.
 */
public final class Roles extends CassandraRoleManager
{
    @Override
    public Set<Option> supportedOptions()
    {
        return Set.of(Option.LOGIN, Option.SUPERUSER, Option.PASSWORD);
    }

    @Override
    public Set<Option> alterableOptions()
    {
        return Set.of();
    }
}
