// An adapter between ackcheck and your store, in Node. Each place marked YOURS is to be filled in.
//
// As it stands it is a small store of its own, on one log file, which keeps level DISK. Try it first:
//
//     ackcheck run --faults process -- node adapter.mjs {dir}
//
// It is killed with SIGKILL at any moment, and started again on the same directory.

import { randomUUID } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";

const now = () => Date.now() / 1000;

class Store {
  ends = new Map(); // queue -> how many messages
  hands = new Map(); // message -> its newest delivery
  where = new Map(); // receipt -> message
  acked = new Set();

  open({ directory }) {
    // YOURS 1 of 7: open or recover your store in this directory. What is returned may say what it offers.
    const name = path.join(directory, "log");
    this.log = fs.openSync(name, fs.constants.O_CREAT | fs.constants.O_RDWR | fs.constants.O_APPEND, 0o600);
    const found = fs.readFileSync(name);
    let whole = 0;
    for (let end; (end = found.indexOf("\n", whole)) >= 0; whole = end + 1) {
      try {
        this.know(JSON.parse(found.subarray(whole, end).toString()));
      } catch {
        break;
      }
    }
    fs.ftruncateSync(this.log, whole); // cut off what a crash left: half a line, or pages of zeros before whole lines
    fs.fsyncSync(this.log);
    const folder = fs.openSync(directory, "r");
    fs.fsyncSync(folder);
    fs.closeSync(folder);
    // The messages themselves live elsewhere, and are told again after every open. If yours keeps them, leave `publish`
    // out; if it notices what rots on its disk, `damage`.
    return { offers: [], promises: { publish: "republished", damage: "unnoticed" } };
  }

  publish({ queue, end }) {
    // YOURS 2 of 7: the queue holds the messages 0 to end - 1. It is told again after every open.
    this.ends.set(queue, Math.max(end, this.ends.get(queue) ?? 0));
    return null;
  }

  pop({ queue, count, invisible }) {
    // YOURS 3 of 7: hand out up to `count` messages, and hide each for `invisible` seconds.
    const given = [];
    for (let offset = 0; offset < (this.ends.get(queue) ?? 0) && given.length < count; offset++) {
      const before = this.hands.get(`${offset} ${queue}`) ?? { attempt: 0, deadline: 0 };
      if (this.acked.has(`${offset} ${queue}`) || before.deadline > now()) continue;
      // A receipt names this delivery, and no other, for ever.
      given.push({ receipt: randomUUID(), offset, attempt: before.attempt + 1, deadline: now() + invisible });
    }
    this.save(given.map((delivery) => ({ queue, ...delivery })));
    return given;
  }

  ack({ receipt }) {
    // YOURS 4 of 7: settle the delivery that this receipt names.
    const message = this.where.get(receipt);
    if (message === undefined) return "INVALID";
    if (this.acked.has(message)) return "SETTLED";
    const current = this.hands.get(message);
    if (current.receipt !== receipt || current.deadline <= now()) return "EXPIRED";
    this.save([{ queue: current.queue, offset: current.offset, acked: true }]);
    return "OK";
  }

  ack_many({ receipts }) {
    return receipts.map((receipt) => this.ack({ receipt }));
  }

  flush() {
    // YOURS 5 of 7: OK once everything that was answered before survives power loss. Here it always does.
    return "OK";
  }

  stats() {
    // YOURS 6 of 7: {queues: {[queue]: {committed, persisted}}}, if you have consumer offsets.
    return {};
  }

  close() {
    // YOURS 7 of 7: finish what is under way. OK says that what was answered before survives power loss.
    fs.closeSync(this.log);
    return "OK";
  }

  // --- the store as it stands: yours takes the place of all below --------------------------------------------------

  // Write, sync, and only then know. After an error nobody knows what the disk holds: the process ends.
  save(records) {
    if (records.length === 0) return;
    try {
      let left = Buffer.from(records.map((record) => JSON.stringify(record) + "\n").join(""));
      while (left.length > 0) left = left.subarray(fs.writeSync(this.log, left));
      fs.fsyncSync(this.log);
    } catch (error) {
      console.error(`a write or a sync failed, so the process ends: ${error.message}`);
      process.exit(1);
    }
    records.forEach((record) => this.know(record));
  }

  know(record) {
    const message = `${record.offset} ${record.queue}`;
    if (record.acked) {
      this.acked.add(message);
      return;
    }
    this.hands.set(message, record);
    this.where.set(record.receipt, message);
  }
}

// --- the protocol: a JSON object a line, in and out. Nothing here needs a change --------------------------------------

const OPERATIONS = ["open", "publish", "pop", "ack", "ack_many", "flush", "stats", "close"];
const store = new Store();
readline.createInterface({ input: process.stdin }).on("line", async (line) => {
  const { id, op, ...given } = JSON.parse(line);
  let reply;
  try {
    if (!OPERATIONS.includes(op)) throw new Error(`no operation ${op}`);
    reply = { id, result: await store[op](given) }; // a method of yours may be async
  } catch (error) {
    reply = { id, error: { type: error.name, message: error.message } };
  }
  process.stdout.write(JSON.stringify(reply) + "\n");
});
