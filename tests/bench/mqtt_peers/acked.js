"use strict";
// node acked.js PORT DATABASE COUNT: MQTT.js and better-sqlite3, a row a commit, and the broker's
// message acknowledged after it, which is what MQTT.js offers handleMessage for. Prints "ready" and,
// when COUNT rows are there, "done".
const mqtt = require("mqtt");
const Database = require("better-sqlite3");

const [port, path, count] = process.argv.slice(2);
const db = new Database(path);
db.pragma("synchronous = FULL");
const insert = db.prepare(
    "INSERT OR IGNORE INTO device_event VALUES (?, 'S0117', ?, ?, ?, NULL, ?, ?, 1, 0)");
let rows = db.prepare("SELECT count(*) AS n FROM device_event").get().n;
const client = mqtt.connect(`mqtt://127.0.0.1:${port}`,
                            {clientId: "bench-acked", clean: false, keepalive: 60});

client.handleMessage = (packet, acknowledge) => {
    const event = JSON.parse(packet.payload);
    const device = packet.topic.split("/")[4];
    const done = insert.run(`${device}:${event.id}`, device, event.k, event.c, event.ts, Date.now());
    rows += done.changes;
    acknowledge();
    if (done.changes === 1 && rows === Number(count)) console.log("done");
};
client.on("connect", () => client.subscribe("sc/+/+/+/+/evt", {qos: 1},
                                            () => console.log("ready")));
