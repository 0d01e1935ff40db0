"""Models that steps call: servers that speak the OpenAI protocol, transformers in this process, embeddings; and the ledger of answers."""
