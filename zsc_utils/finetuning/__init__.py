"""Supervised fine-tuning of the study's encoders on class folders such as ImageNet-1k's."""
