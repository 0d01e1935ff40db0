// Starts `recipec lsp` and hands it to VS Code; all that is known about recipes is known there.
"use strict";

const { commands, window, workspace } = require("vscode");
const { LanguageClient, TransportKind } = require("vscode-languageclient/node");

let client;

async function start() {
  const [command, ...args] = workspace.getConfiguration("recipec").get("command");
  const server = { command, args, transport: TransportKind.stdio };
  const options = {
    documentSelector: [{ scheme: "file", language: "recipe" }],
    synchronize: { fileEvents: workspace.createFileSystemWatcher("**/{pyproject.toml,*.{recipe,csv,tsv,json,jsonl,parquet,txt,conll,db}}") },
  };
  client = new LanguageClient("recipec", "Recipe", server, options);
  try {
    await client.start();
  } catch (error) {
    window.showErrorMessage(`\`${command}\` does not start: ${error.message}. pip install 'recipec[lsp]', or set recipec.command.`);
  }
}

async function stop() {
  const old = client;
  client = undefined;
  if (old !== undefined && old.needsStop()) {
    await old.stop();
  }
}

async function activate(context) {
  const restart = async () => {
    await stop();
    await start();
  };
  context.subscriptions.push(
    commands.registerCommand("recipec.restart", restart),
    workspace.onDidChangeConfiguration((event) => event.affectsConfiguration("recipec.command") && restart()),
  );
  await start();
}

module.exports = { activate, deactivate: stop };
