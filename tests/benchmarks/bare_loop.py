"""accelerate's own loop, as its guide writes it, for `training.py devices`: run as one of several processes, it trains a classifier on batches from
a file and prints the seconds, of the clock and of its processor, from the third step to the last.

    RANK=0 LOCAL_RANK=0 WORLD_SIZE=2 LOCAL_WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=... python bare_loop.py BATCHES THREADS
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def main(path: str, threads: int) -> None:
    import torch
    import transformers
    from accelerate import Accelerator

    given = json.loads(Path(path).read_text(encoding="utf-8"))
    accelerator = Accelerator(cpu=True)
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(given["base"])
    model = transformers.AutoModelForSequenceClassification.from_pretrained(given["base"], num_labels=given["classes"])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01)
    collator = transformers.DataCollatorWithPadding(tokenizer)
    rank, count = accelerator.process_index, accelerator.num_processes
    # The batch is that of all processes here too; its own way is to give each process whole batches.
    parts = [batch[rank::count] for batch in given["batches"]]
    loader: Any = torch.utils.data.DataLoader([collator(part) for part in parts], batch_size=None)
    model, optimizer = accelerator.prepare(model, optimizer)
    model.train()
    begun = spent = 0.0
    for n, inputs in enumerate(loader):
        loss = model(**inputs).loss
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if n == 1:
            begun, spent = time.monotonic(), time.process_time()
    print(json.dumps([time.monotonic() - begun, time.process_time() - spent]))
    accelerator.end_training()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
