// Meshtastic's official package against our codec.
//
//   node peer.js vectors          packets of all sorts, one a line: name, topic, key, hex
//   node peer.js sent             what ours must make of the same text, by the official package
//   node peer.js check CODEC N    N packets each way through the program CODEC (radio_codec.c)
import { createCipheriv } from "node:crypto";
import { spawnSync } from "node:child_process";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Mesh, Mqtt, Portnums, Telemetry } from "@meshtastic/protobufs";

const OWN = 0x7d0a0001, GATEWAY = "!7efeee00", FROM = 0x7efeee00, EVERYBODY = 0xffffffff;
const DEFAULT_KEY = Buffer.from("1PG7OiApB1nwvP+rz05pAQ==", "base64");
const LONG_KEY = Buffer.from(Array.from({ length: 32 }, (_, i) => 7 * i + 1));
const P = Portnums.PortNum;

const hash = (name, key) => [...Buffer.from(name), ...key].reduce((h, b) => h ^ b, 0);

function aes(key, id, from, bytes) {
    const counter = Buffer.alloc(16);
    counter.writeUInt32LE(id, 0);
    counter.writeUInt32LE(from, 8);
    const cipher = createCipheriv(`aes-${key.length * 8}-ctr`, key, counter);
    return Buffer.concat([cipher.update(bytes), cipher.final()]);
}

function envelope({ from = FROM, to = EVERYBODY, id, port, payload, requestId = 0, key, rxTime = 1788218405,
    gateway = GATEWAY, channel = "touyan", hopStart = 3 }) {
    const data = create(Mesh.DataSchema, { portnum: port, payload, requestId, bitfield: 1 });
    const packet = create(Mesh.MeshPacketSchema, {
        from, to, id, rxTime, rxSnr: 6.25, rxRssi: -60, hopLimit: 3, hopStart,
        channel: key ? hash(channel, key) : 0,
        payloadVariant: key
            ? { case: "encrypted", value: aes(key, id, from, toBinary(Mesh.DataSchema, data)) }
            : { case: "decoded", value: data },
    });
    return Buffer.from(toBinary(Mqtt.ServiceEnvelopeSchema,
        create(Mqtt.ServiceEnvelopeSchema, { packet, channelId: channel, gatewayId: gateway })));
}

const text = (t) => Buffer.from(t, "utf8");
const routing = (error) => toBinary(Mesh.RoutingSchema,
    create(Mesh.RoutingSchema, { variant: { case: "errorReason", value: error } }));
const battery = (level) => toBinary(Telemetry.TelemetrySchema, create(Telemetry.TelemetrySchema,
    { time: 1788218400, variant: { case: "deviceMetrics", value: { batteryLevel: level, voltage: 4.1 } } }));
const position = toBinary(Mesh.PositionSchema,
    create(Mesh.PositionSchema, { latitudeI: 453800000, longitudeI: 1215600000 }));
const user = toBinary(Mesh.UserSchema,
    create(Mesh.UserSchema, { id: GATEWAY, longName: "Wang", shortName: "W" }));

const UP = `msh/CN/2/e/touyan/${GATEWAY}`;
const samples = [
    ["text", UP, null, { id: 0x19e8a5bf, port: P.TEXT_MESSAGE_APP, payload: text("到岗") }],
    ["text_to_us", UP, null, { id: 7, to: OWN, port: P.TEXT_MESSAGE_APP, payload: text("48217 1") }],
    ["text_old_topic", `msh/CN/2/c/touyan/${GATEWAY}`, null,
        { id: 8, port: P.TEXT_MESSAGE_APP, payload: text("SOS"), hopStart: 0 }],
    ["text_lines", UP, null, { id: 9, port: P.TEXT_MESSAGE_APP, payload: text("报警\r\n") }],
    ["text_not_utf8", UP, null, { id: 10, port: P.TEXT_MESSAGE_APP, payload: Buffer.from([0xff, 0xfe]) }],
    ["text_long", UP, null, { id: 11, port: P.TEXT_MESSAGE_APP, payload: text("字".repeat(77)) }],
    ["text_default_key", UP, "AQ==", { id: 12, port: P.TEXT_MESSAGE_APP, payload: text("我的班"), key: DEFAULT_KEY }],
    ["text_long_key", UP, LONG_KEY.toString("base64"),
        { id: 0xfffffffe, port: P.TEXT_MESSAGE_APP, payload: text("出警4821"), key: LONG_KEY }],
    ["text_other_key", UP, "AQ==", { id: 13, port: P.TEXT_MESSAGE_APP, payload: text("报警"), key: LONG_KEY }],
    ["text_no_clock", UP, null, { id: 14, port: P.TEXT_MESSAGE_APP, payload: text("1"), rxTime: 0 }],
    ["own", UP.replace(GATEWAY, "!7d0a0001"), null,
        { id: 15, from: OWN, port: P.TEXT_MESSAGE_APP, payload: text("x"), gateway: "!7d0a0001" }],
    ["ack", UP, null, { id: 16, to: OWN, port: P.ROUTING_APP, payload: routing(0), requestId: 4242 }],
    ["nack", UP, null, { id: 17, to: OWN, port: P.ROUTING_APP, payload: routing(5), requestId: 4242 }],
    ["battery", UP, null, { id: 18, port: P.TELEMETRY_APP, payload: battery(87) }],
    ["position", UP, null, { id: 19, port: P.POSITION_APP, payload: position }],
    ["node_info", UP, null, { id: 20, port: P.NODEINFO_APP, payload: user }],
    ["detection", UP, null, { id: 21, port: P.DETECTION_SENSOR_APP, payload: text("Fence detected") }],
    ["traceroute", UP, null, { id: 22, port: P.TRACEROUTE_APP, payload: Buffer.alloc(0) }],
];

const hex = (bytes) => Buffer.from(bytes).toString("hex");

function sent(words, to, id, key) {
    const data = create(Mesh.DataSchema, { portnum: P.TEXT_MESSAGE_APP, payload: text(words) });
    const packet = create(Mesh.MeshPacketSchema, {
        from: OWN, to, id, hopLimit: 3, hopStart: 3, wantAck: true, channel: key ? hash("touyan", key) : 0,
        payloadVariant: key ? { case: "encrypted", value: aes(key, id, OWN, toBinary(Mesh.DataSchema, data)) }
            : { case: "decoded", value: data },
    });
    return toBinary(Mqtt.ServiceEnvelopeSchema,
        create(Mqtt.ServiceEnvelopeSchema, { packet, channelId: "touyan", gatewayId: "!7d0a0001" }));
}

function through(codec, lines) {
    const done = spawnSync(codec, { input: lines.join("\n") + "\n", encoding: "utf8", maxBuffer: 1 << 28 });
    if (done.status !== 0)
        throw new Error(`the codec ended with ${done.status}: ${done.stderr}`);
    return done.stdout.trimEnd().split("\n");
}

// A small generator with a seed, so that a failure can be seen again.
function dice(seed) {
    return (n) => {
        seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
        return Math.floor((seed / 4294967296) * n);
    };
}

const letters = [..."到岗离出警解除1234567890 abcXYZ学校门口🙂é"];

function check(codec, count) {
    const roll = dice(20261122), up = [], down = [];
    for (let i = 0; i < count; i++) {
        const words = Array.from({ length: 1 + roll(40) }, () => letters[roll(letters.length)]).join("");
        const key = [null, DEFAULT_KEY, LONG_KEY][roll(3)];
        const id = 1 + roll(0xfffffffe), from = 4 + roll(0xfffffff0), to = roll(2) ? EVERYBODY : OWN;
        up.push({ words, key, id, from, to });
        down.push({ words: [...words].slice(0, 30).join(""), key, id, to: from });
    }
    const name = (key) => (key ? key.toString("base64") : "-");
    const heard = through(codec, up.map((m) => `decode ${UP} ${name(m.key)} ` +
        hex(envelope({ ...m, port: P.TEXT_MESSAGE_APP, payload: text(m.words) }))));
    up.forEach((m, i) => {
        const json = JSON.parse(heard[i]);
        const good = json.type === "text" && json.payload.text === m.words && json.from === m.from &&
            json.to === m.to && json.id === m.id && json.sender === GATEWAY;
        if (!good)
            throw new Error(`up ${i}: ${JSON.stringify(m.words)} came as ${heard[i]}`);
    });
    const said = through(codec, down.map((m) =>
        `encode !${m.to.toString(16).padStart(8, "0")} ${m.id} ${name(m.key)} ${hex(text(m.words))}`));
    down.forEach((m, i) => {
        const [topic, bytes] = said[i].split(" ");
        const e = fromBinary(Mqtt.ServiceEnvelopeSchema, Buffer.from(bytes, "hex"));
        const p = e.packet, v = p.payloadVariant;
        const data = v.case === "decoded" ? v.value
            : fromBinary(Mesh.DataSchema, aes(m.key, p.id, p.from, v.value));
        const good = topic === "msh/CN/2/e/touyan/!7d0a0001" && e.channelId === "touyan" &&
            e.gatewayId === "!7d0a0001" && p.from === OWN && p.to === m.to && p.id === m.id && p.wantAck &&
            p.hopLimit === 3 && (v.case === "encrypted") === (m.key !== null) &&
            data.portnum === P.TEXT_MESSAGE_APP && Buffer.from(data.payload).toString("utf8") === m.words &&
            bytes === hex(sent(m.words, m.to, m.id, m.key));
        if (!good)
            throw new Error(`down ${i}: ${JSON.stringify(m.words)} went as ${said[i]}`);
    });
    console.log(`${count} packets up and ${count} down agree with @meshtastic/protobufs`);
}

const [verb, codec, count] = process.argv.slice(2);
if (verb === "vectors") {
    for (const [what, topic, key, packet] of samples)
        console.log([what, topic, key ?? "-", hex(envelope(packet))].join("\t"));
} else if (verb === "sent") {
    console.log(["clear", "-", "!7efeee00", 305419896, "S17#48217", hex(sent("S17#48217", FROM, 305419896))].join("\t"));
    console.log(["default_key", "AQ==", "!7efeee00", 305419897, "S17#48217",
        hex(sent("S17#48217", FROM, 305419897, DEFAULT_KEY))].join("\t"));
    console.log(["long_key", LONG_KEY.toString("base64"), "!7efeee00", 305419898, "到岗",
        hex(sent("到岗", FROM, 305419898, LONG_KEY))].join("\t"));
} else {
    check(codec, Number(count));
}
