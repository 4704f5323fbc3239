"""The paper kit of a run: results, model card, checklists, in two languages."""
