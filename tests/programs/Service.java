import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * Service WAY: a server on Java's Executors.
 *
 * <p>Protocol in program.h. {@code go N} answers N requests, each on a connection of its own that
 * the service makes to itself. Prints, since the start: {"way":"..","requests":N,"threads":N}, where
 * threads are those of the executors.
 *
 * <p>Way {@code fixed} has one pool of WORKERS threads; way {@code per-request} starts a pool of
 * PER_REQUEST for each request, which is the leak.
 */
final class Service {
    private static final int WORKERS = 8;
    private static final int PER_REQUEST = 2;

    private final ServerSocket listener = new ServerSocket(0, 128, InetAddress.getLoopbackAddress());
    private final boolean perRequest;
    private ExecutorService common;
    private int requests;
    private int threads;

    private Service(boolean perRequest) throws IOException {
        this.perRequest = perRequest;
    }

    public static void main(String[] args) throws Exception {
        Thread.setDefaultUncaughtExceptionHandler((thread, failure) -> {
            failure.printStackTrace();
            Runtime.getRuntime().halt(1);
        });
        Service service = new Service(args[0].equals("per-request"));
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in));
        System.out.println("ready " + ProcessHandle.current().pid());
        for (String line = commands.readLine(); line != null; line = commands.readLine()) {
            for (int n = Integer.parseInt(line.substring("go ".length())); n > 0; n--) {
                service.serveOne();
            }
            System.out.printf("{\"way\":\"%s\",\"requests\":%d,\"threads\":%d}%n",
                    args[0], service.requests, service.threads);
        }
        // The pools' threads would keep the machine alive.
        Runtime.getRuntime().halt(0);
    }

    private void serveOne() throws IOException, InterruptedException {
        try (Socket client = new Socket(listener.getInetAddress(), listener.getLocalPort())) {
            client.getOutputStream().write('?');
            if (perRequest) {
                answerBy(startPool(PER_REQUEST), PER_REQUEST, listener.accept());
            } else {
                if (common == null) {
                    common = startPool(WORKERS);
                }
                answerBy(common, WORKERS, listener.accept());
            }
            client.getInputStream().read();
        }
        requests++;
    }

    private ExecutorService startPool(int size) {
        threads += size;
        return Executors.newFixedThreadPool(size);
    }

    /** A task for each worker, so that all of them are started. */
    private static void answerBy(ExecutorService pool, int workers, Socket connection)
            throws InterruptedException {
        CountDownLatch everybody = new CountDownLatch(workers);
        for (int n = 1; n < workers; n++) {
            pool.execute(everybody::countDown);
        }
        pool.execute(() -> {
            answer(connection);
            everybody.countDown();
        });
        everybody.await();
    }

    private static void answer(Socket connection) {
        try (connection) {
            connection.getInputStream().read();
            connection.getOutputStream().write('!');
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }
}
