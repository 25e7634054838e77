# make demo    environment, then the one-shot demonstration (report in demo_out/)
# make test    environment, then the tests
# make lint    style, licence lines, package.xml and the types of the Python API, as CI checks them
# make docs    the pages of docs/ as HTML, in build/docs
# make notebooks   run the notebooks of docs/ anew, and write what came out into them
# make wheel-check    sdist and wheel, and what the wheel does in an empty environment without ROS
# `make` works without ROS: rclpy and the message packages come as wheels (ROS 2 Kilted).
# On a machine with ROS 2 installed use colcon and ros2 launch instead: see README.md.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.complete
# Modules are compiled when they are first imported; to compile all of them takes half a minute.
PIP := $(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt

# What is imported is compiled once and kept, or every process would compile it again, torch for
# three seconds.
unexport PYTHONDONTWRITEBYTECODE
export OMP_NUM_THREADS ?= 1
export OMP_WAIT_POLICY ?= PASSIVE
export ROS_AUTOMATIC_DISCOVERY_RANGE ?= LOCALHOST

.PHONY: demo test lint notebooks docs wheel-check clean environment

environment: $(STAMP)

$(STAMP): setup.py package.xml constraints.txt requirements-ros.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip 'setuptools<81' wheel
	$(PIP) torch
	$(PIP) -r requirements-ros.txt
	$(PIP) --editable '.[docs,page,train,ed_scorbot,mujoco,test,dist]'
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/python -m smallbot demo --out demo_out

# Nodes run in real time, and so not beside the others, which take all there is. Files as they come:
# those of few tests are among the longest, and would be left for one worker at the end. A node test
# that a busy machine has failed may try once more, and is counted as rerun.
test: $(STAMP)
	@failed=0; \
	$(BIN)/python -m pytest -q -n auto --dist loadfile --no-loadscope-reorder test --ignore=test/nodes || failed=1; \
	$(BIN)/python -m pytest -q -n auto --dist worksteal --reruns 1 test/nodes || failed=1; \
	exit $$failed

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/python -m flake8 --no-show-source
	$(BIN)/python -m mypy
	$(BIN)/python test/license_lines.py
	$(BIN)/python -m pytest -q test/test_linters.py

notebooks: $(STAMP)
	$(BIN)/python docs/notebooks/run.py

docs: $(STAMP)
	$(BIN)/python -m sphinx -W --keep-going -q docs build/docs

wheel-check: $(STAMP)
	$(BIN)/python -m pytest -q -rP --durations=3 test/from_wheel.py

clean:
	rm -rf $(VENV) build install log demo_out runs *.egg-info
