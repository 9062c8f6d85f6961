// Prints what the official AsyncAPI parser says of the document named on the command line, as JSON.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], "utf8"));
const said = diagnostics.map(({ severity, code, path, message }) => ({ severity, code, path, message }));
const channels = document ? document.channels().all().map((channel) => channel.address()) : [];
const operations = document ? document.operations().all().map((operation) => operation.id()) : [];
console.log(JSON.stringify({ said, channels, operations }));
