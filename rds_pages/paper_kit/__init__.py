"""The paper kit: results, model card and checklists of a run, in two languages."""
