// A store in one append-only log, which append.mjs syncs and unsynced.mjs does not.

import { randomUUID } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";

class LogStore {
  constructor(directory, { sync }) {
    this.sync = sync;
    this.failed = false;
    this.ends = new Map(); // queue -> end
    this.messages = new Map(); // "queue/offset" -> {receipt, attempt, deadline, acked}
    this.where = new Map(); // receipt -> "queue/offset"
    this.recover(directory);
  }

  // Read up to the first line that is not whole, and cut off the rest: of pages that were not synced the disk may have
  // the later ones only.
  recover(directory) {
    this.file = fs.openSync(path.join(directory, "log"), fs.constants.O_CREAT | fs.constants.O_RDWR | fs.constants.O_APPEND, 0o600);
    const found = fs.readFileSync(path.join(directory, "log"));
    let whole = 0;
    for (let end; (end = found.indexOf("\n", whole)) >= 0; whole = end + 1) {
      const line = found.subarray(whole, end);
      if (line.includes(0)) break;
      this.put(JSON.parse(line.toString()));
    }
    fs.ftruncateSync(this.file, whole);
    if (!this.sync) return;
    fs.fsyncSync(this.file);
    const folder = fs.openSync(directory, "r");
    fs.fsyncSync(folder);
    fs.closeSync(folder);
  }

  put({ key, receipt, attempt, deadline, acked }) {
    if (acked) {
      this.messages.get(key).acked = true;
      return;
    }
    this.messages.set(key, { receipt, attempt, deadline, acked: false });
    this.where.set(receipt, key);
  }

  // Log first, then know. After an error nobody knows what the disk holds: nothing more is answered until it is read again.
  save(records) {
    if (this.failed) throw new Error("a write or a sync has failed: open the store again");
    if (records.length === 0) return;
    try {
      let left = Buffer.from(records.map((record) => JSON.stringify(record) + "\n").join(""));
      while (left.length > 0) left = left.subarray(fs.writeSync(this.file, left));
      if (this.sync) fs.fsyncSync(this.file);
    } catch (error) {
      this.failed = true;
      throw error;
    }
    records.forEach((record) => this.put(record));
  }

  open() {
    return { offers: [], promises: { publish: "republished" } }; // bodies live elsewhere
  }

  publish({ queue, end }) {
    this.ends.set(queue, Math.max(end, this.ends.get(queue) ?? 0));
    return null;
  }

  pop({ queue, count, invisible }) {
    const now = Date.now() / 1000;
    const records = [];
    for (let offset = 0; offset < (this.ends.get(queue) ?? 0) && records.length < count; offset++) {
      const key = `${queue}/${offset}`;
      const message = this.messages.get(key);
      if (message && (message.acked || message.deadline > now)) continue;
      records.push({ key, offset, receipt: randomUUID(), attempt: (message?.attempt ?? 0) + 1, deadline: now + invisible });
    }
    this.save(records);
    return records.map(({ receipt, offset, attempt, deadline }) => ({ receipt, offset, attempt, deadline }));
  }

  ack({ receipt }) {
    const key = this.where.get(receipt);
    if (key === undefined) return "INVALID";
    const message = this.messages.get(key);
    if (message.acked) return "SETTLED";
    if (message.receipt !== receipt || message.deadline <= Date.now() / 1000) return "EXPIRED";
    this.save([{ key, acked: true }]);
    return "OK";
  }

  ack_many({ receipts }) {
    return receipts.map((receipt) => this.ack({ receipt }));
  }

  flush() {
    return this.failed ? "FAILED" : "OK";
  }

  stats() {
    return {};
  }

  close() {
    fs.closeSync(this.file);
    return this.failed ? "FAILED" : "OK";
  }
}

// The protocol: a JSON object a line, in and out (specs/protocol.md).
export function serve(directory, options) {
  const operations = ["open", "publish", "pop", "ack", "ack_many", "flush", "stats", "close"];
  const store = new LogStore(directory, options);
  readline.createInterface({ input: process.stdin }).on("line", (line) => {
    const { id, op, ...rest } = JSON.parse(line);
    let reply;
    try {
      if (!operations.includes(op)) throw new Error(`no operation ${op}`);
      reply = { id, result: store[op](rest) };
    } catch (error) {
      reply = { id, error: { type: error.name, message: error.message } };
    }
    fs.writeSync(1, JSON.stringify(reply) + "\n");
  });
}
