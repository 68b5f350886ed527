# The images and the Compose stack: built, brought up, shown by the demo, taken down. Exit code 77 of the program: skipped.
.PHONY: compose-test
compose-test: .venv/ready
	PYTHONPATH=tests $(RUN)/python -m support.compose_stack
