import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;

/**
 * An adapter between ackcheck and your store, in Java. Each place marked YOURS is to be filled in.
 *
 * <p>As it stands it is a small store of its own, on one log file, which keeps level DISK. Try it first:
 *
 * <pre>javac -d classes *.java && ackcheck run --faults process -- java -cp classes Adapter {dir}</pre>
 *
 * <p>It is killed with SIGKILL at any moment, and started again on the same directory.
 */
final class Adapter {
  record Message(String queue, int offset) {}

  /** A receipt names this delivery, and no other, for ever. */
  record Delivery(String receipt, int offset, int attempt, double deadline) {}

  private static final Delivery NONE = new Delivery("", 0, 0, 0);

  private final Map<String, Integer> ends = new HashMap<>();
  private final Map<Message, Delivery> hands = new HashMap<>(); // the newest delivery of each message
  private final Map<String, Message> where = new HashMap<>(); // by receipt
  private final Set<Message> acked = new HashSet<>();
  private FileChannel log;

  // YOURS 1 of 7: open or recover your store in this directory. What is returned may say what it offers.
  Object open(Path directory) throws Exception {
    Path name = directory.resolve("log");
    byte[] found = Files.exists(name) ? Files.readAllBytes(name) : new byte[0];
    int whole = 0;
    for (int at = 0; at < found.length && found[at] != 0; at++) {
      if (found[at] != '\n') continue;
      know(new String(found, whole, at - whole, StandardCharsets.UTF_8).split(" ", 5));
      whole = at + 1;
    }
    log = FileChannel.open(name, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    log.truncate(whole); // cut off what a crash left: half a line, or pages of zeros before whole lines
    log.position(whole);
    log.force(true);
    try (FileChannel folder = FileChannel.open(directory, StandardOpenOption.READ)) {
      folder.force(true);
    }
    // The messages themselves live elsewhere, and are told again after every open. If yours keeps them, leave publish
    // out; if it notices what rots on its disk, damage.
    return Map.of("offers", List.of(), "promises", Map.of("publish", "republished", "damage", "unnoticed"));
  }

  // YOURS 2 of 7: the queue holds the messages 0 to end - 1. It is told again after every open.
  Object publish(String queue, int end) throws Exception {
    ends.merge(queue, end, Math::max);
    return null;
  }

  // YOURS 3 of 7: hand out up to `count` messages, and hide each for `invisible` seconds.
  List<Delivery> pop(String queue, int count, double invisible) throws Exception {
    List<Delivery> given = new ArrayList<>();
    StringBuilder lines = new StringBuilder();
    for (int offset = 0; offset < ends.getOrDefault(queue, 0) && given.size() < count; offset++) {
      Message message = new Message(queue, offset);
      Delivery before = hands.getOrDefault(message, NONE);
      if (acked.contains(message) || before.deadline() > now()) continue;
      String receipt = UUID.randomUUID().toString();
      given.add(new Delivery(receipt, offset, before.attempt() + 1, now() + invisible));
      lines.append(String.join(" ", "" + offset, receipt, "" + (before.attempt() + 1), "" + (now() + invisible), queue));
      lines.append('\n');
    }
    save(lines.toString());
    return given;
  }

  // YOURS 4 of 7: settle the delivery that this receipt names.
  String ack(String receipt) throws Exception {
    Message message = where.get(receipt);
    if (message == null) return "INVALID";
    if (acked.contains(message)) return "SETTLED";
    Delivery current = hands.get(message);
    if (!current.receipt().equals(receipt) || current.deadline() <= now()) return "EXPIRED";
    save(String.join(" ", "" + message.offset(), "acked", "0", "0", message.queue()) + "\n");
    return "OK";
  }

  // YOURS 5 of 7: OK once everything that was answered before survives power loss. Here it always does.
  String flush() throws Exception {
    return "OK";
  }

  // YOURS 6 of 7: {"queues": {queue: {"committed": offset, "persisted": offset}}}, if you have consumer offsets.
  Object stats() throws Exception {
    return Map.of();
  }

  // YOURS 7 of 7: finish what is under way. OK says that what was answered before survives power loss.
  String close() throws Exception {
    log.close();
    return "OK";
  }

  // --- the store as it stands: yours takes the place of all up to the protocol -----------------------------------------

  private static double now() {
    return System.currentTimeMillis() / 1000.0;
  }

  /** Writes, syncs, and only then knows. After an error nobody knows what the disk holds: the process ends. */
  private void save(String lines) {
    if (lines.isEmpty()) return;
    try {
      ByteBuffer left = ByteBuffer.wrap(lines.getBytes(StandardCharsets.UTF_8));
      while (left.hasRemaining()) log.write(left);
      log.force(false);
    } catch (IOException error) {
      System.err.println(error);
      Runtime.getRuntime().halt(1);
    }
    lines.lines().forEach(line -> know(line.split(" ", 5)));
  }

  private void know(String[] line) {
    Message message = new Message(line[4], Integer.parseInt(line[0]));
    if (line[1].equals("acked")) {
      acked.add(message);
      return;
    }
    hands.put(message, new Delivery(line[1], message.offset(), Integer.parseInt(line[2]), Double.parseDouble(line[3])));
    where.put(line[1], message);
  }

  // --- the protocol: a JSON object a line, in and out. Nothing here needs a change -------------------------------------

  private Object answer(Map<?, ?> asked) throws Exception {
    switch ((String) asked.get("op")) {
      case "open":
        return open(Path.of((String) asked.get("directory")));
      case "publish":
        return publish((String) asked.get("queue"), number(asked, "end").intValue());
      case "pop": {
        List<Object> told = new ArrayList<>();
        int count = number(asked, "count").intValue();
        for (Delivery each : pop((String) asked.get("queue"), count, number(asked, "invisible"))) {
          Map<String, Object> delivery = new LinkedHashMap<>();
          delivery.put("receipt", each.receipt());
          delivery.put("offset", each.offset());
          delivery.put("attempt", each.attempt());
          delivery.put("deadline", each.deadline());
          told.add(delivery);
        }
        return told;
      }
      case "ack":
        return ack((String) asked.get("receipt"));
      case "ack_many": {
        List<Object> replies = new ArrayList<>();
        for (Object receipt : (List<?>) asked.get("receipts")) replies.add(ack((String) receipt));
        return replies;
      }
      case "flush":
        return flush();
      case "stats":
        return stats();
      case "close":
        return close();
      default:
        throw new IllegalArgumentException("no operation " + asked.get("op"));
    }
  }

  private static Double number(Map<?, ?> asked, String name) {
    return (Double) asked.get(name);
  }

  public static void main(String[] arguments) throws IOException {
    Adapter adapter = new Adapter();
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      Map<?, ?> asked = (Map<?, ?>) Json.read(line);
      Map<String, Object> reply = new LinkedHashMap<>();
      reply.put("id", ((Double) asked.get("id")).longValue());
      try {
        reply.put("result", adapter.answer(asked));
      } catch (Exception error) {
        reply.put("error", Map.of("type", error.getClass().getSimpleName(), "message", String.valueOf(error.getMessage())));
      }
      System.out.write((Json.write(reply) + "\n").getBytes(StandardCharsets.UTF_8));
      System.out.flush();
    }
  }
}
