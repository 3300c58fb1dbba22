package ackcheck.rocketmq;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.consumer.AckCallback;
import org.apache.rocketmq.client.consumer.AckResult;
import org.apache.rocketmq.client.consumer.AckStatus;
import org.apache.rocketmq.client.consumer.PopCallback;
import org.apache.rocketmq.client.consumer.PopResult;
import org.apache.rocketmq.client.consumer.PopStatus;
import org.apache.rocketmq.client.impl.MQClientAPIImpl;
import org.apache.rocketmq.common.MQVersion;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.constant.ConsumeInitMode;
import org.apache.rocketmq.common.filter.ExpressionType;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.netty.NettyClientConfig;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;
import org.apache.rocketmq.remoting.protocol.RequestCode;
import org.apache.rocketmq.remoting.protocol.ResponseCode;
import org.apache.rocketmq.remoting.protocol.header.AckMessageRequestHeader;
import org.apache.rocketmq.remoting.protocol.header.ChangeInvisibleTimeRequestHeader;
import org.apache.rocketmq.remoting.protocol.header.ExtraInfoUtil;
import org.apache.rocketmq.remoting.protocol.header.PopMessageRequestHeader;
import org.apache.rocketmq.remoting.protocol.header.SendMessageRequestHeader;

/** A broker, spoken to by requests of RocketMQ's own client library, without a name server. */
final class Broker {
  static final String ADDRESS = "127.0.0.1:10911";
  static final String UNFLUSHED = "remainHowManyDataToFlush";
  private static final String NAME = "broker";
  private static final String GROUP = "ackcheck";
  private static final String PADDING = "padding";

  /** The most messages that a pop may ask for. */
  private static final int MOST = 32;

  private static final long TIMEOUT = 60_000;
  private static final long STARTING = 120_000;

  /** Bytes of a message that has the broker flush at its next beat: with ASYNC_FLUSH it does so from 4 pages on. */
  private static final int FIVE_PAGES = 5 * 4096;

  /** A message that was handed out: its number, how often it was, and what RocketMQ calls its extra info. */
  record Popped(long offset, int attempt, String handle) {}

  private final String address;
  private final MQClientAPIImpl client;
  private volatile Path offsets;

  Broker(String address) {
    System.setProperty(RemotingCommand.REMOTING_VERSION_KEY, Integer.toString(MQVersion.CURRENT_VERSION));
    this.address = address;
    ClientConfig config = new ClientConfig();
    config.setVipChannelEnabled(false);
    client = new MQClientAPIImpl(new NettyClientConfig(), null, null, config);
    client.start();
  }

  /**
   * Waits until the broker answers, has built its queues from its log, and has written its consumer offsets once: it
   * does so from 10 seconds after its start on, whatever interval it is given. Without a directory the last is not
   * waited for.
   */
  void await(Path directory) throws Exception {
    offsets = directory.resolve("config/consumerOffset.json");
    FileTime before = written();
    long until = System.currentTimeMillis() + STARTING;
    while (!isUp()) pause(until);
    while (!directory.toString().isEmpty() && !isWrittenSince(before)) pause(until);
  }

  /** Waits until the broker has begun to write its offsets, and has written them. */
  void awaitOffsets() throws Exception {
    long until = System.currentTimeMillis() + TIMEOUT;
    for (int times = 0; times < 2; times++) {
      FileTime before = written();
      while (!isWrittenSince(before)) pause(until);
    }
  }

  private static void pause(long until) throws Exception {
    if (System.currentTimeMillis() > until) throw new IOException("the broker does not start, or writes no offsets");
    Thread.sleep(50);
  }

  private boolean isWrittenSince(FileTime before) throws IOException {
    FileTime now = written();
    return now != null && !now.equals(before);
  }

  private boolean isUp() {
    try {
      return told("dispatchBehindBytes").equals("0");
    } catch (Exception error) { // it does not listen yet
      return false;
    }
  }

  /** When the offsets were written last, null where they are not there, as for a moment whenever they are written. */
  private FileTime written() throws IOException {
    try {
      return Files.getLastModifiedTime(offsets);
    } catch (NoSuchFileException error) {
      return null;
    }
  }

  /** Returns what the broker says of itself, by name. */
  String told(String name) throws Exception {
    return client.getBrokerRuntimeInfo(address, TIMEOUT).getTable().getOrDefault(name, "");
  }

  /** Sends what a topic has not got of its messages. */
  void fill(String topic, long end) throws Exception {
    create(topic);
    long has = client.getMaxOffset(address, new MessageQueue(topic, NAME, 0), TIMEOUT);
    for (long number = has; number < end; number++) {
      send(topic, Long.toString(number).getBytes(StandardCharsets.UTF_8));
    }
  }

  /**
   * Has the broker flush what it has got, at its next beat (0.5 s), and waits for that. It is seldom asked: for its answer it
   * goes through all slots of its timer.
   */
  void flush() throws Exception {
    if (isFlushed()) return;
    create(PADDING);
    send(PADDING, new byte[FIVE_PAGES]);
    long until = System.currentTimeMillis() + TIMEOUT;
    while (!isFlushed() && System.currentTimeMillis() < until) Thread.sleep(100);
  }

  boolean isFlushed() throws Exception {
    return told(UNFLUSHED).equals("0 B");
  }

  private void create(String topic) throws Exception {
    TopicConfig config = new TopicConfig(topic);
    config.setReadQueueNums(1);
    config.setWriteQueueNums(1);
    client.createTopic(address, "TBW102", config, TIMEOUT);
  }

  /** Sends a message; one that a busy broker refuses is sent again. */
  private void send(String topic, byte[] body) throws Exception {
    SendMessageRequestHeader header = new SendMessageRequestHeader();
    header.setProducerGroup("ackcheck-producer");
    header.setTopic(topic);
    header.setDefaultTopic("TBW102");
    header.setDefaultTopicQueueNums(1);
    header.setQueueId(0);
    header.setSysFlag(0);
    header.setFlag(0);
    header.setReconsumeTimes(0);
    header.setUnitMode(false);
    header.setBatch(false);
    header.setProperties(MessageDecoder.messageProperties2String(Map.of(MessageConst.PROPERTY_WAIT_STORE_MSG_OK, "true")));
    for (int tries = 0; ; tries++) {
      header.setBornTimestamp(System.currentTimeMillis());
      RemotingCommand asked = RemotingCommand.createRequestCommand(RequestCode.SEND_MESSAGE, header);
      asked.setBody(body);
      RemotingCommand answer = client.getRemotingClient().invokeSync(address, asked, TIMEOUT);
      if (answer.getCode() == ResponseCode.SUCCESS) return;
      if (answer.getCode() != ResponseCode.SYSTEM_BUSY || tries == 50) {
        throw new IOException("send: " + answer.getCode() + " " + answer.getRemark());
      }
      Thread.sleep(50);
    }
  }

  List<Popped> pop(String topic, int count, long invisible) throws Exception {
    PopMessageRequestHeader header = new PopMessageRequestHeader();
    header.setConsumerGroup(GROUP);
    header.setTopic(topic);
    header.setQueueId(-1);
    header.setMaxMsgNums(Math.min(MOST, count));
    header.setInvisibleTime(invisible);
    header.setPollTime(0);
    header.setBornTime(System.currentTimeMillis());
    header.setInitMode(ConsumeInitMode.MIN);
    header.setExpType(ExpressionType.TAG);
    header.setExp("*");
    header.setOrder(false);
    CompletableFuture<PopResult> answer = new CompletableFuture<>();
    client.popMessageAsync(
        NAME,
        address,
        header,
        TIMEOUT,
        new PopCallback() {
          @Override
          public void onSuccess(PopResult result) {
            answer.complete(result);
          }

          @Override
          public void onException(Throwable error) {
            answer.completeExceptionally(error);
          }
        });
    PopResult result = settled(answer);
    List<Popped> given = new ArrayList<>();
    if (result.getPopStatus() == PopStatus.FOUND) {
      for (MessageExt message : result.getMsgFoundList()) {
        long number = Long.parseLong(new String(message.getBody(), StandardCharsets.UTF_8));
        given.add(new Popped(number, message.getReconsumeTimes() + 1, message.getProperty(MessageConst.PROPERTY_POP_CK)));
      }
    }
    return given;
  }

  boolean ack(String topic, String handle) throws Exception {
    String[] parts = ExtraInfoUtil.split(handle);
    AckMessageRequestHeader header = new AckMessageRequestHeader();
    header.setTopic(ExtraInfoUtil.getRealTopic(parts, topic, GROUP));
    header.setQueueId(ExtraInfoUtil.getQueueId(parts));
    header.setOffset(ExtraInfoUtil.getQueueOffset(parts));
    header.setConsumerGroup(GROUP);
    header.setExtraInfo(handle);
    CompletableFuture<AckResult> answer = new CompletableFuture<>();
    client.ackMessageAsync(address, TIMEOUT, completing(answer), header);
    return settled(answer).getStatus() == AckStatus.OK;
  }

  boolean ackBatch(String topic, List<String> handles) throws Exception {
    CompletableFuture<AckResult> answer = new CompletableFuture<>();
    client.batchAckMessageAsync(address, TIMEOUT, completing(answer), topic, GROUP, handles);
    return settled(answer).getStatus() == AckStatus.OK;
  }

  /** Returns the new handle, null where the broker has not said that it changed anything. */
  String changeInvisibleTime(String topic, String handle, long invisible) throws Exception {
    String[] parts = ExtraInfoUtil.split(handle);
    ChangeInvisibleTimeRequestHeader header = new ChangeInvisibleTimeRequestHeader();
    header.setTopic(ExtraInfoUtil.getRealTopic(parts, topic, GROUP));
    header.setQueueId(ExtraInfoUtil.getQueueId(parts));
    header.setOffset(ExtraInfoUtil.getQueueOffset(parts));
    header.setConsumerGroup(GROUP);
    header.setExtraInfo(handle);
    header.setInvisibleTime(invisible);
    CompletableFuture<AckResult> answer = new CompletableFuture<>();
    client.changeInvisibleTimeAsync(NAME, address, header, TIMEOUT, completing(answer));
    AckResult result = settled(answer);
    return result.getStatus() == AckStatus.OK ? result.getExtraInfo() : null;
  }

  private static AckCallback completing(CompletableFuture<AckResult> answer) {
    return new AckCallback() {
      @Override
      public void onSuccess(AckResult result) {
        answer.complete(result);
      }

      @Override
      public void onException(Throwable error) {
        answer.completeExceptionally(error);
      }
    };
  }

  private static <T> T settled(CompletableFuture<T> answer) throws Exception {
    try {
      return answer.get(2 * TIMEOUT, TimeUnit.MILLISECONDS);
    } catch (ExecutionException error) {
      throw error.getCause() instanceof Exception ? (Exception) error.getCause() : error;
    } catch (TimeoutException error) {
      throw new IOException("no answer from the broker");
    }
  }
}
