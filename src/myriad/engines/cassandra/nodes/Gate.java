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
import org.apache.cassandra.cql3.statements.TruncateStatement;
import org.apache.cassandra.cql3.statements.schema.AlterSchemaStatement;
import org.apache.cassandra.cql3.statements.schema.CreateTableStatement;
import org.apache.cassandra.cql3.statements.schema.CreateTypeStatement;
import org.apache.cassandra.exceptions.IsBootstrappingException;
import org.apache.cassandra.exceptions.UnauthorizedException;
import org.apache.cassandra.service.ClientState;
import org.apache.cassandra.service.QueryState;
import org.apache.cassandra.transport.Dispatcher;
import org.apache.cassandra.transport.messages.ResultMessage;
import org.apache.cassandra.utils.MD5Digest;

/**
 * Takes statements as Cassandra does, but for three.
 *
 * None of people until Myriad has told a node that started who they are: somebody may have been
 * removed while it was down. Drivers take such an answer to another node.
 *
 * None in a session of somebody who may not log in any more: Cassandra asks at the login alone.
 *
 * None that makes a table or type in the keyspace of another: CREATE on all keyspaces is the only
 * right to make keyspaces, and one to make tables in any.
 */
public final class Gate implements QueryHandler
{
    /** Of system_views; a superuser who truncates it opens the gate. Our nodes keep nothing there. */
    private static final String OPENS = "jmx_permissions_cache_keys";

    private static volatile boolean open = false;

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
        ResultMessage answer = behind.process(statement, state, options, payload, time);
        if (!open && statement instanceof TruncateStatement)
            open = ((TruncateStatement) statement).name().equals(OPENS);
        return answer;
    }

    @Override
    public ResultMessage.Prepared prepare(
        String text, ClientState client, Map<String, ByteBuffer> payload)
    {
        admit(client);
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
        admit(state.getClientState());
        return behind.processBatch(statement, state, options, payload, time); // of rows only
    }

    private static void admit(ClientState client)
    {
        if (!open && !client.isSuper())
            throw new IsBootstrappingException();
        AuthenticatedUser user = client.getUser();
        if (user != null && !user.isAnonymous() && !user.canLogin())
            throw new UnauthorizedException("This account may not log in any more");
    }

    private static void check(CQLStatement statement, ClientState client)
    {
        admit(client);
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
