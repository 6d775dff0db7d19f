"""The parts of the facade: the services that an engine is made of, and its public calls by kind.

The package holds no rule of the product: it joins `delivery`, `operations`, `insight` and `pipeline`.
Hosts import `whereupon`; `cli` uses `config`.

Modules: `config` (options and answers), `parts` (what an engine is made of), `intake` (batches), `background` (due
work), and the calls: `segment_api`, `host_functions`, `questions`, `operator_calls`.
"""
