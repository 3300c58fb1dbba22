//! An adapter between ackcheck and your store, in Rust. Each place marked YOURS is to be filled in.
//!
//! As it stands it is a small store of its own, on one log file, which keeps level DISK. Try it first:
//!
//!     cargo build --release && ackcheck run --faults process -- target/release/adapter {dir}
//!
//! It is killed with SIGKILL at any moment, and started again on the same directory.

mod json;

use json::Json;
use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, Read, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

type Message = (String, usize);

#[derive(Clone, Default)]
struct Delivery {
    receipt: String, // names this delivery, and no other, for ever
    offset: usize,
    attempt: u32,
    deadline: f64,
}

#[derive(Default)]
struct Store {
    ends: HashMap<String, usize>,
    hands: HashMap<Message, Delivery>, // the newest delivery of each message
    messages: HashMap<String, Message>, // by receipt
    acked: HashSet<Message>,
    log: Option<File>,
}

impl Store {
    /// YOURS 1 of 7: open or recover your store in this directory. The result may say what it offers.
    fn open(&mut self, directory: &Path) -> io::Result<Json> {
        let name = directory.join("log");
        let found = if name.exists() { fs::read(&name)? } else { Vec::new() };
        let mut whole = 0;
        for line in found.split_inclusive(|byte| *byte == b'\n') {
            if line.contains(&0) || !line.ends_with(b"\n") {
                break;
            }
            self.know(String::from_utf8_lossy(line).trim_end());
            whole += line.len();
        }
        let log = OpenOptions::new().create(true).append(true).open(&name)?;
        log.set_len(whole as u64)?; // cut off what a crash left: half a line, or pages of zeros before whole lines
        log.sync_all()?;
        File::open(directory)?.sync_all()?;
        self.log = Some(log);
        // The messages themselves live elsewhere, and are told again after every open. If yours keeps them, leave
        // `publish` out; if it notices what rots on its disk, `damage`.
        let less = [("publish", "republished"), ("damage", "unnoticed")];
        let stated = less.map(|(name, value)| (name.to_string(), Json::Text(value.to_string())));
        let promises = Json::Object(stated.into());
        Ok(Json::Object([("offers".to_string(), Json::List(Vec::new())), ("promises".to_string(), promises)].into()))
    }

    /// YOURS 2 of 7: the queue holds the messages 0 to end - 1. It is told again after every open.
    fn publish(&mut self, queue: &str, end: usize) -> io::Result<()> {
        let known = self.ends.entry(queue.to_string()).or_default();
        *known = end.max(*known);
        Ok(())
    }

    /// YOURS 3 of 7: hand out up to `count` messages, and hide each for `invisible` seconds.
    fn pop(&mut self, queue: &str, count: usize, invisible: f64) -> io::Result<Vec<Delivery>> {
        let (mut given, mut lines) = (Vec::new(), String::new());
        for offset in 0..self.ends.get(queue).copied().unwrap_or(0) {
            let message = (queue.to_string(), offset);
            let before = self.hands.get(&message).cloned().unwrap_or_default();
            if given.len() == count || self.acked.contains(&message) || before.deadline > now() {
                continue;
            }
            let delivery =
                Delivery { receipt: random()?, offset, attempt: before.attempt + 1, deadline: now() + invisible };
            let Delivery { receipt, attempt, deadline, .. } = &delivery;
            lines += &format!("{offset} {receipt} {attempt} {deadline} {queue}\n");
            given.push(delivery);
        }
        self.save(&lines);
        Ok(given)
    }

    /// YOURS 4 of 7: settle the delivery that this receipt names.
    fn ack(&mut self, receipt: &str) -> io::Result<&'static str> {
        let Some(message) = self.messages.get(receipt).cloned() else {
            return Ok("INVALID");
        };
        if self.acked.contains(&message) {
            return Ok("SETTLED");
        }
        let current = &self.hands[&message];
        if current.receipt != receipt || current.deadline <= now() {
            return Ok("EXPIRED");
        }
        self.save(&format!("{} acked 0 0 {}\n", message.1, message.0));
        Ok("OK")
    }

    /// YOURS 5 of 7: OK once everything that was answered before survives power loss. Here it always does.
    fn flush(&mut self) -> io::Result<&'static str> {
        Ok("OK")
    }

    /// YOURS 6 of 7: {"queues": {queue: {"committed": offset, "persisted": offset}}}, if you have consumer offsets.
    fn stats(&self) -> io::Result<Json> {
        Ok(Json::object([]))
    }

    /// YOURS 7 of 7: finish what is under way. OK says that what was answered before survives power loss.
    fn close(&mut self) -> io::Result<&'static str> {
        self.log = None;
        Ok("OK")
    }

    // --- the store as it stands: yours takes the place of all up to the protocol -----------------------------------

    /// Writes, syncs, and only then knows. After an error nobody knows what the disk holds: the process ends.
    fn save(&mut self, lines: &str) {
        if lines.is_empty() {
            return;
        }
        let log = self.log.as_mut().expect("the store is open");
        if let Err(error) = log.write_all(lines.as_bytes()).and_then(|()| log.sync_data()) {
            eprintln!("{error}");
            std::process::exit(1);
        }
        lines.lines().for_each(|line| self.know(line));
    }

    fn know(&mut self, line: &str) {
        let words: Vec<&str> = line.splitn(5, ' ').collect();
        let offset = words[0].parse().expect("an offset");
        let message = (words[4].to_string(), offset);
        if words[1] == "acked" {
            self.acked.insert(message);
            return;
        }
        let (attempt, deadline) = (words[2].parse().expect("an attempt"), words[3].parse().expect("a deadline"));
        self.messages.insert(words[1].to_string(), message.clone());
        self.hands.insert(message, Delivery { receipt: words[1].to_string(), offset, attempt, deadline });
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs_f64()
}

fn random() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

// --- the protocol: a JSON object a line, in and out. Nothing here needs a change -------------------------------------

fn answer(store: &mut Store, asked: &Json) -> io::Result<Json> {
    let queue = asked.get("queue").as_str();
    Ok(match asked.get("op").as_str() {
        "open" => store.open(Path::new(asked.get("directory").as_str()))?,
        "publish" => {
            store.publish(queue, asked.get("end").as_f64() as usize)?;
            Json::Null
        }
        "pop" => {
            let given = store.pop(queue, asked.get("count").as_f64() as usize, asked.get("invisible").as_f64())?;
            Json::List(given.iter().map(told).collect())
        }
        "ack" => Json::text(store.ack(asked.get("receipt").as_str())?),
        "ack_many" => {
            let receipts = asked.get("receipts").as_list().iter();
            let replies: io::Result<Vec<Json>> =
                receipts.map(|each| store.ack(each.as_str()).map(Json::text)).collect();
            Json::List(replies?)
        }
        "flush" => Json::text(store.flush()?),
        "stats" => store.stats()?,
        "close" => Json::text(store.close()?),
        other => return Err(io::Error::other(format!("no operation {other:?}"))),
    })
}

fn told(delivery: &Delivery) -> Json {
    Json::object([
        ("receipt", Json::text(&delivery.receipt)),
        ("offset", Json::Number(delivery.offset as f64)),
        ("attempt", Json::Number(delivery.attempt.into())),
        ("deadline", Json::Number(delivery.deadline)),
    ])
}

fn main() -> io::Result<()> {
    let mut store = Store::default();
    for line in io::stdin().lock().lines() {
        let asked = Json::read(&line?).map_err(io::Error::other)?;
        let result = match answer(&mut store, &asked) {
            Ok(result) => ("result", result),
            Err(error) => {
                let (kind, message) = (format!("{:?}", error.kind()), error.to_string());
                ("error", Json::object([("type", Json::Text(kind)), ("message", Json::Text(message))]))
            }
        };
        println!("{}", Json::object([("id", asked.get("id").clone()), result]));
    }
    Ok(())
}
