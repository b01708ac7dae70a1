package myriad;

import java.nio.ByteBuffer;
import java.util.Map;
import org.apache.cassandra.auth.AuthenticatedUser;
import org.apache.cassandra.auth.DataResource;
import org.apache.cassandra.auth.Permission;
import org.apache.cassandra.cql3.BatchQueryOptions;
import org.apache.cassandra.cql3.CQLStatement;
import org.apache.cassandra.cql3.QueryHandler;
import org.apache.cassandra.cql3.QueryOptions;
import org.apache.cassandra.cql3.QueryProcessor;
import org.apache.cassandra.cql3.statements.BatchStatement;
import org.apache.cassandra.cql3.statements.schema.AlterSchemaStatement;
import org.apache.cassandra.cql3.statements.schema.CreateTableStatement;
import org.apache.cassandra.cql3.statements.schema.CreateTypeStatement;
import org.apache.cassandra.exceptions.UnauthorizedException;
import org.apache.cassandra.service.ClientState;
import org.apache.cassandra.service.QueryState;
import org.apache.cassandra.transport.Dispatcher;
import org.apache.cassandra.transport.messages.ResultMessage;
import org.apache.cassandra.utils.MD5Digest;

/**
 * Takes statements as Cassandra does, but for tables and types in keyspaces of others.
 *
 * CREATE on all keyspaces is the only right to make keyspaces, and one to make tables in any.
 */
public final class Gate implements QueryHandler
{
    private final QueryProcessor behind = QueryProcessor.instance;

    @Override
    public CQLStatement parse(String text, QueryState state, QueryOptions options)
    {
        return behind.parse(text, state, options);
    }

    @Override
    public ResultMessage process(
        CQLStatement statement,
        QueryState state,
        QueryOptions options,
        Map<String, ByteBuffer> payload,
        Dispatcher.RequestTime time)
    {
        check(statement, state.getClientState());
        return behind.process(statement, state, options, payload, time);
    }

    @Override
    public ResultMessage.Prepared prepare(
        String text, ClientState client, Map<String, ByteBuffer> payload)
    {
        return behind.prepare(text, client, payload);
    }

    @Override
    public QueryHandler.Prepared getPrepared(MD5Digest id)
    {
        return behind.getPrepared(id);
    }

    @Override
    public ResultMessage processPrepared(
        CQLStatement statement,
        QueryState state,
        QueryOptions options,
        Map<String, ByteBuffer> payload,
        Dispatcher.RequestTime time)
    {
        check(statement, state.getClientState());
        return behind.processPrepared(statement, state, options, payload, time);
    }

    @Override
    public ResultMessage processBatch(
        BatchStatement statement,
        QueryState state,
        BatchQueryOptions options,
        Map<String, ByteBuffer> payload,
        Dispatcher.RequestTime time)
    {
        return behind.processBatch(statement, state, options, payload, time); // of rows only
    }

    private static void check(CQLStatement statement, ClientState client)
    {
        boolean creates =
            statement instanceof CreateTableStatement || statement instanceof CreateTypeStatement;
        if (!creates || client.isSuper())
            return;
        String keyspace = ((AlterSchemaStatement) statement).keyspace();
        if (!mayCreate(client.getUser(), keyspace))
            throw new UnauthorizedException(
                "You have no CREATE permission on keyspace " + keyspace
                    + ": that on all keyspaces is for making keyspaces");
    }

    private static boolean mayCreate(AuthenticatedUser user, String keyspace)
    {
        return user != null
            && keyspace != null
            && (user.getPermissions(DataResource.keyspace(keyspace)).contains(Permission.CREATE)
                || user.getPermissions(DataResource.allTables(keyspace)).contains(Permission.CREATE));
    }
}
