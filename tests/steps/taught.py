"""Toy rows of two kinds, and models that learn them in a second: what the tests of train, predict and evaluate share."""

from __future__ import annotations

SCRATCH = "base: scratch(layers: 1, width: 32, heads: 2, vocab: 300, max_length: 48)"
SMALL = f"{SCRATCH}  epochs: 6  batch_size: 8  learning_rate: 3e-3"

ROWS = '''recipe "taught" { seed: 3 }
sql rows """
  select i as id, case when i % 2 = 0 then 'animal' else 'money' end as label, i % 3 as third, (i % 20)::double as amount,
    case when i % 2 = 0 then 'the cat sat on a mat and purred ' || (i % 7) else 'stocks fell as banks lost money early ' || (i % 7) end as text,
    ['Ann', case when i % 2 = 0 then 'lives' else 'works' end, 'in', case when i % 3 = 0 then 'Rome' else 'Oslo' end] as tokens,
    ['B-PER', 'O', 'O', 'B-LOC'] as tags, 'say ' || (i % 3) as prompt, case i % 3 when 0 then 'zero' when 1 then 'one' else 'two' end as answer
  from range(120) r(i)
""" { key: id }
split parts from rows { train: 60%  dev: 20%  test: 20%  stratify: label }
template ask(x) """{{ x }}"""
'''

MODELS = f"""
train clf from parts.train {{ task: classify(text => label)  {SMALL}  validation: parts.dev }}
train weak from parts.train {{ task: classify(text => label)  {SCRATCH}  steps: 1  batch_size: 8 }}
train several from parts.train {{ task: classify(text => [label, concat('n', third)])  {SMALL} }}
train ner from parts.train {{ task: tag(tokens => tags)  {SMALL} }}
train lm from parts.train {{ task: generate(prompt => answer)  {SMALL} }}
train reg from parts.train {{ task: regress(text => amount)  {SMALL} }}
train emb from parts.train {{ task: embed(text, prompt)  {SCRATCH}  epochs: 1  batch_size: 8 }}
""".replace("'n'", '"n"')

TAUGHT = ROWS + MODELS

ODD = """
clean odd from parts.test {
  known = case when id % 5 == 0 then null else label end
  strange = case when id % 7 == 0 then "alien" else label end
  gappy = case when id % 3 == 0 then null else text end
  sets = [label]
  nothing = cast(null as text)
}
"""
