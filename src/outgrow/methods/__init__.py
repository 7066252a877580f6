"""Methods of fitting: (model, examples, labels) become a predictor. One file a method."""
