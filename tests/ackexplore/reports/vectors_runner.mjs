// A runner of test vectors, in Node (specs/vectors.md): `node vectors_runner.mjs vectors.json [break]` reads the file, and
// compares; `ackcheck vectors vectors.json -- node vectors_runner.mjs - MESSAGES [break]` plays them to it, a line a tour.
// The store is small: level page-cache, and its offset waits for a record that can hand a message out again. A fault, and
// where the bytes are after it, is input; everything else is the store's, and compared.
import fs from "node:fs";
import readline from "node:readline";

const broken = process.argv.includes("break"); // takes what it has recovered for flushed
const RECORDS = ["checkpoint", "ack"];
let count = 1; // messages

class Store {
  cache = new Set(); // names of records: what is readable, and what a loss of power would leave
  disk = new Set();
  offset = { memory: 0, file: 0, disk: 0 };
  messages = Array.from({ length: count }, () => ({ phase: "waiting", delivery: 0, checkpoint: "none", ack: "none" }));

  pop(m) { Object.assign(m, { phase: "popping", delivery: m.delivery + 1, checkpoint: "pending" }); }
  write_checkpoint(m) { this.write(m, "checkpoint"); }
  write_ack(m) { this.write(m, "ack"); }
  retry_checkpoint(m) { this.write(m, "checkpoint"); }
  retry_ack(m) { this.write(m, "ack"); }
  deliver(m) { m.phase = "delivered"; }
  ask_ack(m) { Object.assign(m, { phase: "acking", ack: "pending" }); }
  answer_ack(m) { m.phase = "settled"; }
  durable_callback() {}
  begin_sync() { this.move("cached", "flushing"); }
  sync_ok() { for (const name of this.move("flushing", "flushed")) if (this.cache.delete(name)) this.disk.add(name); }
  commit() { this.offset.memory += 1; }
  write_offset() { this.offset.file = this.offset.memory; }
  sync_directory() { this.offset.disk = this.offset.file; }

  stopped(left) { // a fault: what is left, and on which side of the disk, is not the store's to say
    this.cache = new Set(left.cache.map((line) => line.split(" (")[0]));
    this.disk = new Set(left.disk);
    [this.offset.memory, this.offset.file, this.offset.disk] = left.offset.map((line) => Number(line.split(" ")[1]));
  }
  recover() {
    for (const m of this.messages) {
      const has = (record) => this.disk.has(this.name(m, record)) || this.cache.has(this.name(m, record));
      for (const record of RECORDS) m[record] = has(record) ? (broken ? "flushed" : "suspect") : "none";
      m.phase = has("ack") ? "settled" : has("checkpoint") ? "delivered" : "waiting";
      if (!has("checkpoint")) m.delivery = 0;
    }
    this.offset.memory = this.offset.file;
  }

  write(m, record) {
    m[record] = "cached";
    if (!this.disk.has(this.name(m, record))) this.cache.add(this.name(m, record));
  }
  move(from, to) {
    const moved = this.messages.flatMap((m) => RECORDS.filter((record) => m[record] === from).map((record) => [m, record]));
    return moved.map(([m, record]) => { m[record] = to; return this.name(m, record); });
  }
  of(m) { return count > 1 ? ` ${this.messages.indexOf(m)}` : ""; }
  name(m, record) { return record + this.of(m); }
  seen() {
    const told = (m) => ["phase", "delivery", "checkpoint", "ack"].map((what) => `${what}${this.of(m)}: ${m[what]}`);
    const offset = Object.entries(this.offset).map(([place, value]) => `${place} ${value}`);
    const cache = [...this.cache].map((name) => `${name} (dirty)`);
    return { store: this.messages.flatMap(told), cache, disk: [...this.disk], offset };
  }
}

function play(store, action, message, left) {
  if (/_(crash|loss)$/.test(action)) return store.stopped(left);
  store[action](store.messages[message]);
  return store.seen();
}

function differs(seen, wanted) { // what is shown of the store line by line, the other lanes as a whole
  const strange = seen.store.find((line) => !wanted.store.includes(line));
  const lane = ["cache", "disk", "offset"].find((name) => String([...seen[name]].sort()) !== String([...wanted[name]].sort()));
  return strange ?? (lane && `${lane}: ${seen[lane]}`);
}

if (process.argv[2] === "-") {
  count = Number(process.argv[3]);
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { tour, steps } = JSON.parse(line), store = new Store();
    console.log(JSON.stringify({ tour, seen: steps.map((step) => play(store, ...step)) }));
  }
} else {
  const { format, config, states, tours } = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
  if (format !== 1) throw new Error(`format ${format}: this runner knows 1`);
  count = config.messages;
  const began = performance.now();
  for (const [number, tour] of tours.entries()) {
    const store = new Store();
    for (const [step, [action, message, state]] of tour.entries()) {
      const wanted = states[state], seen = play(store, action, message, wanted);
      const wrong = seen && differs(seen, wanted);
      if (!wrong) continue;
      console.log(`tour ${number}, step ${step + 1} (${action}): ${wrong} is not among ${wanted.store}`);
      process.exit(1);
    }
  }
  console.log(`${tours.length} tours, ${Math.round((1000 * tours.length) / (performance.now() - began))} tours a second`);
}
