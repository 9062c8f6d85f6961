// Prints what the official AsyncAPI parser says of each document named on the command line, as JSON.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const parser = new Parser();
const found = [];
for (const file of process.argv.slice(2)) {
  const { document, diagnostics } = await parser.parse(readFileSync(file, "utf8"));
  const said = diagnostics.map(({ severity, code, path, message }) => ({ severity, code, path, message }));
  const channels = document ? document.channels().all().map((channel) => channel.address()) : [];
  const operations = document ? document.operations().all().map((operation) => operation.id()) : [];
  found.push({ said, channels, operations });
}
console.log(JSON.stringify(found));
