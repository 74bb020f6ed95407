"use strict";
// node nodered.js PORT DATABASE COUNT FOLDER: Node-RED with an MQTT input (persistent session, kept
// when it stops), a function that takes the values out of the JSON, and node-red-node-sqlite with a
// prepared statement. Prints "ready" and, after COUNT insertions, "done".
const fs = require("fs");
const http = require("http");
const path = require("path");
const RED = require("node-red");

const [port, database, count, folder] = process.argv.slice(2);
const take = `
const event = msg.payload, device = msg.topic.split("/")[4];
msg.params = {$id: device + ":" + event.id, $device: device, $kind: event.k, $code: event.c,
              $at: event.ts, $heard: Date.now()};
return msg;`;
const flow = [
    {id: "broker", type: "mqtt-broker", broker: "127.0.0.1", port, clientid: "bench-nodered",
     autoConnect: true, autoUnsubscribe: false, usetls: false, protocolVersion: "4",
     keepalive: "60", cleansession: false},
    {id: "database", type: "sqlitedb", db: database, mode: "RWC"},
    {id: "tab", type: "tab", label: "bench"},
    {id: "in", z: "tab", type: "mqtt in", topic: "sc/+/+/+/+/evt", qos: "1", datatype: "json",
     broker: "broker", inputs: 0, wires: [["take"]]},
    {id: "take", z: "tab", type: "function", func: take, outputs: 1, wires: [["insert"]]},
    {id: "insert", z: "tab", type: "sqlite", mydb: "database", sqlquery: "prepared",
     sql: "INSERT OR IGNORE INTO device_event VALUES ($id, 'S0117', $device, $kind, $code, NULL, " +
          "$at, $heard, 1, 0)", wires: [["count"]]},
    {id: "count", z: "tab", type: "function", outputs: 0, wires: [],
     func: `const n = (context.get("n") || 0) + 1; context.set("n", n);
            if (n === ${Number(count)}) console.log("done");`},
    {id: "status", z: "tab", type: "status", scope: ["in"], wires: [["say"]]},
    {id: "say", z: "tab", type: "function", outputs: 0, wires: [],
     func: `if (msg.status.fill === "green") console.log("ready");`},
];
for (const node of flow) // without a place on the sheet it would be a configuration
    if (node.z) Object.assign(node, {x: 100, y: 100});
fs.mkdirSync(path.join(folder, "node_modules"), {recursive: true});
const link = path.join(folder, "node_modules", "node-red-node-sqlite");
if (!fs.existsSync(link))
    fs.symlinkSync(path.join(__dirname, "node_modules", "node-red-node-sqlite"), link);
fs.writeFileSync(path.join(folder, "package.json"),
                 JSON.stringify({name: "bench", dependencies: {"node-red-node-sqlite": "*"}}));
fs.writeFileSync(path.join(folder, "flows.json"), JSON.stringify(flow));
RED.init(http.createServer(), {
    userDir: folder, flowFile: "flows.json", httpAdminRoot: false, httpNodeRoot: false,
    logging: {console: {level: "error"}}, telemetry: {enabled: false},
});
RED.start();
