'use strict';
// The other end of the comparison: PouchDB over leveldb, replicating with express-pouchdb.
//
//   node peer.js serve FOLDER [ADDRESS]  prints its port, serves until it is killed
//   node peer.js push URL FOLDER ROWS    ROWS: one JSON object a line, with its "id"
//   node peer.js pull URL FOLDER         into an empty database
//
// push and pull print {"rows": n, "seconds": s}.

const fs = require('fs');
const path = require('path');
const readline = require('readline');
const PouchDB = require('pouchdb');

const BATCH = 1000;

function serve(folder, address = '127.0.0.1') {
    const express = require('express');
    const Served = PouchDB.defaults({ prefix: folder + path.sep });
    const app = express();
    app.use('/', require('express-pouchdb')(Served, {
        mode: 'minimumForPouchDB', inMemoryConfig: true, logPath: path.join(folder, 'server.log')
    }));
    const server = app.listen(0, address, () => console.log(server.address().port));
}

async function load(db, rows) {
    let docs = [];
    let count = 0;
    for await (const line of readline.createInterface({ input: fs.createReadStream(rows) })) {
        const { id, ...row } = JSON.parse(line);
        docs.push({ _id: id, ...row });
        if (docs.length === BATCH) {
            await db.bulkDocs(docs.splice(0));
        }
        count++;
    }
    if (docs.length > 0) {
        await db.bulkDocs(docs);
    }
    return count;
}

// Prints how long a replication took; all rows must have come.
async function replicate(work, to, wanted) {
    const began = process.hrtime.bigint();
    const done = await work();
    const seconds = Number(process.hrtime.bigint() - began) / 1e9;
    const rows = (await to.info()).doc_count;
    if (!done.ok || (wanted !== undefined && rows !== wanted)) {
        throw new Error(`${rows} of ${wanted} rows: ${JSON.stringify(done.errors)}`);
    }
    console.log(JSON.stringify({ rows, seconds }));
}

async function push(url, folder, rows) {
    const near = new PouchDB(path.join(folder, 'near'));
    const count = await load(near, rows);
    await replicate(() => near.replicate.to(url, { batch_size: BATCH }), new PouchDB(url), count);
}

async function pull(url, folder) {
    const fresh = new PouchDB(path.join(folder, 'fresh'));
    await replicate(() => fresh.replicate.from(url, { batch_size: BATCH }), fresh);
}

const [verb, ...words] = process.argv.slice(2);
if (verb === 'serve') {
    serve(...words);
} else {
    (verb === 'push' ? push : pull)(...words).then(() => process.exit(0), (problem) => {
        console.error(problem.message);
        process.exit(1);
    });
}
