// Colours files as VS Code does: its own TextMate engine with recipec's grammar. Prints, for each file of the command line,
// a JSON line of pieces [line, start, end, scopes]; columns count UTF-16 units from zero. Scopes are without the file's own.
"use strict";

const fs = require("fs");
const path = require("path");
const oniguruma = require("vscode-oniguruma");
const textmate = require("vscode-textmate");

const GRAMMAR = path.join(__dirname, "..", "..", "grammar", "recipe.tmLanguage.json");

async function main(files) {
  await oniguruma.loadWASM(fs.readFileSync(require.resolve("vscode-oniguruma/release/onig.wasm")).buffer);
  const registry = new textmate.Registry({
    onigLib: Promise.resolve({
      createOnigScanner: (patterns) => new oniguruma.OnigScanner(patterns),
      createOnigString: (text) => new oniguruma.OnigString(text),
    }),
    // SQL and the like are coloured by the editor's own grammars, which are not here.
    loadGrammar: async (scope) =>
      scope === "source.recipe" ? textmate.parseRawGrammar(fs.readFileSync(GRAMMAR, "utf8"), GRAMMAR) : null,
  });
  const grammar = await registry.loadGrammar("source.recipe");
  for (const file of files) {
    const pieces = [];
    let stack = textmate.INITIAL;
    fs.readFileSync(file, "utf8").split("\n").forEach((line, number) => {
      const made = grammar.tokenizeLine(line, stack);
      stack = made.ruleStack;
      for (const token of made.tokens) {
        pieces.push([number, token.startIndex, Math.min(token.endIndex, line.length), token.scopes.slice(1)]);
      }
    });
    console.log(JSON.stringify(pieces));
  }
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
