"""Classification: EfficientNet, its training on folds, arms compared and joined."""
