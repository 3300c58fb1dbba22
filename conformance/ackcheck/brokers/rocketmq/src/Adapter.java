package ackcheck.rocketmq;

import com.alibaba.fastjson2.JSON;
import com.alibaba.fastjson2.JSONObject;
import com.alibaba.fastjson2.JSONWriter;
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * The protocol of specs/protocol.md: a JSON object a line, in and out, answered by a RocketMQ broker over its remoting
 * protocol.
 *
 * <p>The broker is a process of its own, which is killed and started again; this one lives on. What was asked before the
 * broker was lost is not asked of the next: each request belongs to the {@code open} that came before it.
 */
public final class Adapter {
  private static final int AT_ONCE = 24;

  /** The environment variable in which the suite says with which settings the broker runs. */
  private static final String SETTINGS = "ACKCHECK_BROKER_SETTINGS";

  private final PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), false, StandardCharsets.UTF_8);
  private final ExecutorService pool = Executors.newFixedThreadPool(AT_ONCE);
  private final Target target;
  private volatile int opens = 0;

  private Adapter(Target target) {
    this.target = target;
  }

  public static void main(String[] arguments) throws Exception {
    System.setOut(System.err); // the standard output is the protocol's
    Broker broker = new Broker(arguments.length > 0 ? arguments[0] : Broker.ADDRESS);
    String settings = System.getenv(SETTINGS);
    JSONObject stated = settings == null ? new JSONObject() : JSON.parseObject(settings);
    boolean flushes = "SYNC_FLUSH".equals(stated.getString("flushDiskType"));
    boolean synchronous = flushes && stated.size() == 1; // no other setting, so none that puts acks off
    new Adapter(new Target(broker, flushes, synchronous)).serve();
    System.exit(0);
  }

  private void serve() throws IOException {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      JSONObject asked = JSON.parseObject(line);
      boolean open = "open".equals(asked.getString("op"));
      if (open) opens++;
      int mine = opens;
      pool.execute(() -> answer(asked, mine));
    }
  }

  private void answer(JSONObject asked, int mine) {
    JSONObject reply = new JSONObject();
    reply.put("id", asked.get("id"));
    try {
      if (mine != opens) throw new IOException("the broker that this was asked of is gone");
      reply.put("result", dispatch(asked));
    } catch (Exception error) {
      String message = error.getClass().getSimpleName() + ": " + error.getMessage();
      reply.put("error", JSONObject.of("type", error.getClass().getSimpleName(), "message", message));
    }
    byte[] line = (JSON.toJSONString(reply, JSONWriter.Feature.WriteNulls) + "\n").getBytes(StandardCharsets.UTF_8);
    synchronized (out) {
      out.write(line, 0, line.length);
      out.flush();
    }
  }

  private Object dispatch(JSONObject asked) throws Exception {
    switch (asked.getString("op")) {
      case "open":
        return target.open(Path.of(asked.getString("directory")));
      case "publish":
        return target.publish(asked.getString("queue"), asked.getLongValue("end"));
      case "pop":
        return target.pop(asked.getString("queue"), asked.getIntValue("count"), millis(asked));
      case "ack":
        return target.ack(asked.getString("receipt"));
      case "ack_many":
        return target.ackMany(asked.getList("receipts", String.class));
      case "renew":
        return target.renew(asked.getString("receipt"), millis(asked));
      case "release":
        return target.release(asked.getString("receipt"));
      case "stats":
        return target.stats();
      case "flush":
        return "UNKNOWN"; // there is no barrier that a client could ask for
      case "close":
        return target.close();
      default:
        throw new UnsupportedOperationException("no operation " + asked.getString("op"));
    }
  }

  private static long millis(JSONObject asked) {
    return Math.round(asked.getDoubleValue("invisible") * 1000);
  }
}
