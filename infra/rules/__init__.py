"""The house rules of template.yaml, for cfn-lint; `make check` runs them."""
