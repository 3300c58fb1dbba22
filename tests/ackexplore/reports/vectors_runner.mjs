// A runner of test vectors, in Node (specs/vectors.md): `node vectors_runner.mjs vectors.json [break]` reads the file, and
// compares; `ackcheck vectors vectors.json -- node vectors_runner.mjs - MESSAGES [break]` plays them to it, a line a tour.
//
// The store under test is small: level page-cache, and its offset waits for a record that can hand a message out again.
// What the environment does is input: a fault, and where the bytes are after it. Everything else is the store's, and compared.
import fs from "node:fs";
import readline from "node:readline";

const broken = process.argv.includes("break"); // a store that takes what it has recovered for flushed

const RECORDS = ["checkpoint", "ack"];
let count = 1; // messages

class Store {
  syncing = false;
  cache = new Set(); // names of records: what is readable, and what a loss of power would leave
  disk = new Set();
  offset = { memory: 0, file: 0, disk: 0 };
  messages = Array.from({ length: count }, () => ({ phase: "waiting", delivery: 0, checkpoint: "none", ack: "none" }));

  pop(m) { Object.assign(m, { phase: "popping", delivery: m.delivery + 1, checkpoint: "pending" }); }
  write_checkpoint(m) { this.write(m, "checkpoint"); }
  write_ack(m) { this.write(m, "ack"); }
  write(m, record) { m[record] = "cached"; this.cache.add(this.name(m, record)); }
  rewrite_checkpoint(m) { this.rewrite(m, "checkpoint"); }
  rewrite_ack(m) { this.rewrite(m, "ack"); }
  rewrite(m, record) { m[record] = "cached"; if (!this.disk.has(this.name(m, record))) this.cache.add(this.name(m, record)); }
  deliver(m) { m.phase = "delivered"; }
  ask_ack(m) { Object.assign(m, { phase: "acking", ack: "pending" }); }
  answer_ack(m) { m.phase = "settled"; }
  durable_callback() {}
  begin_sync() {
    this.syncing = true;
    for (const [m, record] of this.records()) if (m[record] === "cached") m[record] = "flushing";
  }
  sync_ok() {
    this.syncing = false;
    for (const [m, record] of this.records()) {
      if (m[record] !== "flushing") continue;
      m[record] = "flushed";
      this.cache.delete(this.name(m, record));
      this.disk.add(this.name(m, record));
    }
  }
  commit() { this.offset.memory += 1; }
  write_offset() { this.offset.file = this.offset.memory; }
  sync_directory() { this.offset.disk = this.offset.file; }

  // A fault: what is left, and on which side of the disk, is not the store's to say.
  stopped(left) {
    this.syncing = false;
    this.cache = new Set(left.cache.map((line) => line.split(" (")[0]));
    this.disk = new Set(left.disk);
    [this.offset.memory, this.offset.file, this.offset.disk] = left.offset.map((line) => Number(line.split(" ")[1]));
  }
  recover() {
    for (const m of this.messages) {
      const has = (record) => this.disk.has(this.name(m, record)) || this.cache.has(this.name(m, record));
      for (const record of RECORDS) m[record] = has(record) ? (broken ? "flushed" : "suspect") : "none";
      m.phase = has("ack") ? "settled" : has("checkpoint") ? "delivered" : "waiting";
      m.delivery = has("checkpoint") || has("ack") ? m.delivery : 0;
    }
    this.offset.memory = this.offset.file;
  }

  of(m) { return count > 1 ? ` ${this.messages.indexOf(m)}` : ""; }
  name(m, record) { return record + this.of(m); }
  records() { return this.messages.flatMap((m) => RECORDS.map((record) => [m, record])); }
  seen() {
    const told = (m) => ["phase", "checkpoint", "ack"].map((what) => `${what}${this.of(m)}: ${m[what]}`);
    const sorted = (records, how) => [...records].map((record) => record + how).sort();
    return {
      store: this.messages.flatMap(told),
      cache: sorted(this.cache, " (dirty)"),
      disk: sorted(this.disk, ""),
      offset: Object.entries(this.offset).map(([place, value]) => `${place} ${value}`),
    };
  }
}

function play(store, action, message, left) {
  if (!action.endsWith("_crash") && !action.endsWith("_loss")) store[action](store.messages[message]);
  else return store.stopped(left);
  return store.seen();
}

// What is shown of the store is compared line by line, of the other lanes as a whole.
function differs(seen, wanted) {
  const strange = seen.store.find((line) => !wanted.store.includes(line));
  const lane = ["cache", "disk", "offset"].find((name) => String([...seen[name]].sort()) !== String([...wanted[name]].sort()));
  return strange ?? (lane && `${lane}: ${seen[lane]}`);
}

if (process.argv[2] === "-") {
  count = Number(process.argv[3]);
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { tour, steps } = JSON.parse(line);
    const store = new Store();
    console.log(JSON.stringify({ tour, seen: steps.map(([action, message, left]) => play(store, action, message, left)) }));
  }
} else {
  const vectors = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
  if (vectors.format !== 1) throw new Error(`format ${vectors.format}: this runner knows 1`);
  count = vectors.config.messages;
  const began = process.hrtime.bigint();
  for (const [number, tour] of vectors.tours.entries()) {
    const store = new Store();
    for (const [step, [action, message, state]] of tour.entries()) {
      const seen = play(store, action, message, vectors.states[state]);
      const wrong = seen && differs(seen, vectors.states[state]);
      if (!wrong) continue;
      console.log(`tour ${number}, step ${step + 1} (${action}): ${wrong} is not among ${vectors.states[state].store}`);
      process.exit(1);
    }
  }
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  console.log(`${vectors.tours.length} tours, ${Math.round(vectors.tours.length / seconds)} tours a second`);
}
