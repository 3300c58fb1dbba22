package ackcheck.rocketmq;

import com.alibaba.fastjson2.JSONObject;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

/**
 * The operations of a target, as a consumer of RocketMQ has them: a queue is a topic with one queue, and message n is the
 * one whose body is n.
 *
 * <p>RocketMQ answers SUCCESS to every ack that it can read, late or of an older delivery too. What such an ack did nobody
 * can know, so it is answered UNKNOWN here; OK is said only for an ack of the newest delivery, answered before its deadline.
 * Nor does anybody know how often a message is there that the broker had when it was last started: what it had handed out
 * comes back from its log, and perhaps from its queue too. An ack settles one of these, and is UNKNOWN.
 */
final class Target {
  private static final List<String> OFFERS = List.of("release", "renew");

  private final Broker broker;
  private final boolean flushes;
  private final boolean synchronous;
  private final AtomicLong numbers = new AtomicLong();
  private final Map<String, Delivery> deliveries = new ConcurrentHashMap<>(); // by receipt
  private final Map<String, Long> ends = new ConcurrentHashMap<>(); // by topic, of what was published
  private final Map<String, Long> before = new ConcurrentHashMap<>(); // the same, when the broker was last started
  private final Map<String, Delivery> newest = new ConcurrentHashMap<>(); // by topic and offset

  /** With {@code flushes} the broker answers a message only once it is flushed, with {@code synchronous} an ack too. */
  Target(Broker broker, boolean flushes, boolean synchronous) {
    this.broker = broker;
    this.flushes = flushes;
    this.synchronous = synchronous;
  }

  Object open(Path directory) throws Exception {
    before.putAll(ends);
    broker.await(directory);
    JSONObject offered = new JSONObject();
    offered.put("offers", OFFERS);
    offered.put("max_attempts", null);
    return offered;
  }

  Object publish(String queue, long end) throws Exception {
    broker.fill(topic(queue), end);
    if (!flushes) broker.flush();
    ends.put(topic(queue), end);
    return null;
  }

  List<JSONObject> pop(String queue, int count, long invisible) throws Exception {
    List<JSONObject> told = new ArrayList<>();
    for (Broker.Popped one : broker.pop(topic(queue), count, invisible)) {
      Delivery delivery = new Delivery(numbers.incrementAndGet(), topic(queue), one.offset(), one.handle());
      deliveries.put(delivery.receipt, delivery);
      newest.put(delivery.topic + "|" + delivery.offset, delivery);
      told.add(
          JSONObject.of(
              "receipt", delivery.receipt,
              "offset", delivery.offset,
              "attempt", one.attempt(),
              "deadline", delivery.deadline() / 1e3));
    }
    return told;
  }

  String ack(String receipt) throws Exception {
    Delivery delivery = deliveries.get(receipt);
    if (delivery == null) return "INVALID"; // RocketMQ has no way to be asked such a thing
    delivery.lock.lock();
    try {
      if (delivery.state == Delivery.State.GIVEN_BACK) return "EXPIRED";
      if (delivery.state == Delivery.State.UNCLEAR) return "UNKNOWN";
      return answered(delivery, broker.ack(delivery.topic, delivery.handle));
    } finally {
      delivery.lock.unlock();
    }
  }

  /** Acks those that are in hand as a batch for each topic, and the others by themselves. */
  List<String> ackMany(List<String> receipts) throws Exception {
    Map<String, String> told = new LinkedHashMap<>();
    Map<String, List<Delivery>> batches = new LinkedHashMap<>();
    for (String receipt : new LinkedHashMap<String, Boolean>(flags(receipts)).keySet()) {
      Delivery delivery = deliveries.get(receipt);
      if (delivery == null || delivery.state != Delivery.State.IN_HAND) told.put(receipt, ack(receipt));
      else batches.computeIfAbsent(delivery.topic, topic -> new ArrayList<>()).add(delivery);
    }
    for (Map.Entry<String, List<Delivery>> batch : batches.entrySet()) {
      told.putAll(ackBatch(batch.getKey(), batch.getValue()));
    }
    return receipts.stream().map(told::get).toList();
  }

  private static Map<String, Boolean> flags(List<String> receipts) {
    Map<String, Boolean> seen = new LinkedHashMap<>();
    receipts.forEach(receipt -> seen.put(receipt, true));
    return seen;
  }

  private Map<String, String> ackBatch(String topic, List<Delivery> batch) throws Exception {
    batch.sort(Comparator.comparingLong(delivery -> delivery.number)); // always in one order, so that none waits for ever
    batch.forEach(delivery -> delivery.lock.lock());
    try {
      List<String> handles = batch.stream().map(delivery -> delivery.handle).toList();
      boolean success = broker.ackBatch(topic, handles);
      Map<String, String> told = new LinkedHashMap<>();
      batch.forEach(delivery -> told.put(delivery.receipt, answered(delivery, success)));
      return told;
    } finally {
      batch.forEach(delivery -> delivery.lock.unlock());
    }
  }

  private String answered(Delivery delivery, boolean success) {
    boolean current = newest.get(delivery.topic + "|" + delivery.offset) == delivery;
    boolean once = delivery.offset >= before.getOrDefault(delivery.topic, 0L);
    boolean known = delivery.state == Delivery.State.IN_HAND || delivery.state == Delivery.State.SETTLED;
    if (!success || !current || !once || !known || delivery.isLate()) return "UNKNOWN";
    if (delivery.state == Delivery.State.SETTLED) return "SETTLED";
    delivery.state = Delivery.State.SETTLED;
    return "OK";
  }

  String renew(String receipt, long invisible) throws Exception {
    return change(receipt, invisible, Delivery.State.IN_HAND);
  }

  String release(String receipt) throws Exception {
    return change(receipt, 0, Delivery.State.GIVEN_BACK);
  }

  /** Changes the invisible time of a delivery in hand; of any other RocketMQ would make a new one. */
  private String change(String receipt, long invisible, Delivery.State after) throws Exception {
    Delivery delivery = deliveries.get(receipt);
    if (delivery == null) return "INVALID";
    delivery.lock.lock();
    try {
      if (newest.get(delivery.topic + "|" + delivery.offset) != delivery) return "EXPIRED";
      if (delivery.state == Delivery.State.SETTLED) return "SETTLED";
      if (delivery.state == Delivery.State.UNCLEAR) return "UNKNOWN";
      if (delivery.state == Delivery.State.GIVEN_BACK || delivery.isLate()) return "EXPIRED";
      delivery.state = Delivery.State.UNCLEAR; // until it is answered
      String handle = broker.changeInvisibleTime(delivery.topic, delivery.handle, invisible);
      if (handle == null) return "UNKNOWN";
      delivery.handle = handle;
      delivery.state = after;
      return "OK";
    } finally {
      delivery.lock.unlock();
    }
  }

  /**
   * OK once all that was answered is on the disk: the acks are, where appends and flushes are synchronous, and so are the
   * offsets once they have been written again. Of other settings that cannot be seen from outside.
   */
  String close() throws Exception {
    if (!synchronous) return "UNKNOWN";
    broker.awaitOffsets();
    return broker.isFlushed() ? "OK" : "UNKNOWN";
  }

  /** What there is for the broker to flush yet: for whoever reads it, and judged by nobody. */
  Object stats() throws Exception {
    return JSONObject.of(Broker.UNFLUSHED, broker.told(Broker.UNFLUSHED));
  }

  private static String topic(String queue) {
    return queue.replace('/', '_');
  }
}
