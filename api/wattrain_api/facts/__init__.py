"""What there is to say of a training, as tables: the same in a receipt, at the end of a run and in a model card."""
