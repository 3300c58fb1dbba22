// A runner of test vectors, in Node (specs/vectors.md): `node vectors_runner.mjs vectors.json [break]` reads the file, and
// compares; `ackcheck vectors vectors.json -- node vectors_runner.mjs - [break]` plays them to it, a line a tour, and compares.
//
// The store under test is small: one message, level page-cache, its offset waits for a record that can hand it out again.
// What the environment does is input: a fault, and where the bytes are after it. Everything else is the store's, and compared.
import fs from "node:fs";
import readline from "node:readline";

const broken = process.argv[3] === "break"; // a store that takes what it has recovered for flushed

class Store {
  phase = "waiting";
  delivery = 0;
  checkpoint = "none";
  ack = "none";
  syncing = false;
  cache = new Set();
  disk = new Set();
  offset = { memory: 0, file: 0, disk: 0 };

  pop() { Object.assign(this, { phase: "popping", delivery: this.delivery + 1, checkpoint: "pending" }); }
  write_checkpoint() { this.write("checkpoint"); }
  write_ack() { this.write("ack"); }
  write(record) { this[record] = "cached"; this.cache.add(record); }
  rewrite_checkpoint() { this.rewrite("checkpoint"); }
  rewrite_ack() { this.rewrite("ack"); }
  rewrite(record) { this[record] = "cached"; if (!this.disk.has(record)) this.cache.add(record); }
  deliver() { this.phase = "delivered"; }
  ask_ack() { Object.assign(this, { phase: "acking", ack: "pending" }); }
  answer_ack() { this.phase = "settled"; }
  durable_callback() {}
  begin_sync() {
    this.syncing = true;
    for (const record of ["checkpoint", "ack"]) if (this[record] === "cached") this[record] = "flushing";
  }
  sync_ok() {
    this.syncing = false;
    for (const record of ["checkpoint", "ack"]) {
      if (this[record] !== "flushing") continue;
      this[record] = "flushed";
      this.cache.delete(record);
      this.disk.add(record);
    }
  }
  commit() { this.offset.memory = 1; }
  write_offset() { this.offset.file = this.offset.memory; }
  sync_directory() { this.offset.disk = this.offset.file; }

  // The power goes: what is left, and on which side of the disk, is not the store's to say.
  power_loss(left) {
    this.syncing = false;
    this.cache = new Set(left.cache.map((line) => line.split(" ")[0]));
    this.disk = new Set(left.disk);
    const [memory, file, disk] = left.offset.map((line) => Number(line.split(" ")[1]));
    this.offset = { memory, file, disk };
  }
  recover() {
    const has = (record) => this.disk.has(record) || this.cache.has(record);
    const stage = (record) => (has(record) ? (broken ? "flushed" : "suspect") : "none");
    this.checkpoint = stage("checkpoint");
    this.ack = stage("ack");
    this.phase = has("ack") ? "settled" : has("checkpoint") ? "delivered" : "waiting";
    this.delivery = has("checkpoint") || has("ack") ? this.delivery : 0;
    this.offset.memory = this.offset.file = this.offset.disk;
  }

  seen() {
    const sorted = (records, how) => [...records].map((record) => record + how).sort();
    return {
      store: [`phase: ${this.phase}`, `checkpoint: ${this.checkpoint}`, `ack: ${this.ack}`],
      cache: sorted(this.cache, " (dirty)"),
      disk: sorted(this.disk, ""),
      offset: Object.entries(this.offset).map(([place, value]) => `${place} ${value}`),
    };
  }
}

function play(store, action, left) {
  store[action](left);
  return action === "power_loss" ? null : store.seen();
}

// What is shown of the store is compared line by line, of the other lanes as a whole.
function differs(seen, wanted) {
  const strange = seen.store.find((line) => !wanted.store.includes(line));
  const lane = ["cache", "disk", "offset"].find((name) => String([...seen[name]].sort()) !== String([...wanted[name]].sort()));
  return strange ?? (lane && `${lane}: ${seen[lane]}`);
}

if (process.argv[2] === "-") {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { tour, steps } = JSON.parse(line);
    const store = new Store();
    console.log(JSON.stringify({ tour, seen: steps.map(([action, , left]) => play(store, action, left)) }));
  }
} else {
  const vectors = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
  if (vectors.format !== 1) throw new Error(`format ${vectors.format}: this runner knows 1`);
  const began = process.hrtime.bigint();
  for (const [number, tour] of vectors.tours.entries()) {
    const store = new Store();
    for (const [step, [action, , state]] of tour.entries()) {
      const seen = play(store, action, vectors.states[state]);
      const wrong = seen && differs(seen, vectors.states[state]);
      if (!wrong) continue;
      console.log(`tour ${number}, step ${step + 1} (${action}): ${wrong} is not among ${vectors.states[state].store}`);
      process.exit(1);
    }
  }
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  console.log(`${vectors.tours.length} tours, ${Math.round(vectors.tours.length / seconds)} tours a second`);
}
