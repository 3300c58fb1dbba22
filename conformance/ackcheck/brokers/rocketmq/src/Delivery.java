package ackcheck.rocketmq;

import java.util.concurrent.locks.ReentrantLock;
import org.apache.rocketmq.remoting.protocol.header.ExtraInfoUtil;

/**
 * A delivery, and what is known of it. Its receipt stays the same for ever; RocketMQ gives a new handle each time that the
 * invisible time is changed, and only the newest settles the message.
 */
final class Delivery {
  enum State {
    IN_HAND,
    SETTLED,
    GIVEN_BACK,
    /** A change of its invisible time was not answered: nobody knows which handle is the newest. */
    UNCLEAR
  }

  final long number;
  final String topic;
  final long offset;
  final String receipt;
  /** One call about a delivery at a time: an ack must have the newest handle. */
  final ReentrantLock lock = new ReentrantLock();

  String handle;
  State state = State.IN_HAND;

  Delivery(long number, String topic, long offset, String handle) {
    this.number = number;
    this.topic = topic;
    this.offset = offset;
    this.handle = handle;
    this.receipt = topic + "|" + offset + "|" + number;
  }

  /** When the message is due again: milliseconds of the broker's clock, which is this machine's. */
  long deadline() {
    String[] parts = ExtraInfoUtil.split(handle);
    return ExtraInfoUtil.getPopTime(parts) + ExtraInfoUtil.getInvisibleTime(parts);
  }

  boolean isLate() {
    return System.currentTimeMillis() >= deadline();
  }
}
