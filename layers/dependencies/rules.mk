# What `sam build` runs for DependenciesLayer: the libraries of requirements.txt for Lambda's processor, with their
# bytecode (layers/core/Makefile says why). SAM does not tell make the processor; template.yaml takes the Makefile from the
# folder of its name, and that sets MACHINE.

#: Lambda's Python 3.13 stands on Amazon Linux 2023, which has glibc 2.34. pip takes wheels for these very platforms and
#: no others, older ones included; manylinux2014 is what 2_17 was called before.
GLIBCS := 34 33 32 31 30 29 28 27 26 25 24 23 22 21 20 19 18 17
PLATFORMS := $(foreach glibc,$(GLIBCS),--platform manylinux_2_$(glibc)_$(MACHINE)) --platform manylinux2014_$(MACHINE)

build-DependenciesLayer:
	python3.13 -m pip install --quiet --no-compile --require-hashes --only-binary :all: $(PLATFORMS) \
	    --implementation cp --python-version 3.13 --target "$(ARTIFACTS_DIR)/python" -r requirements.txt
	rm -rf "$(ARTIFACTS_DIR)/python/bin" # commands, which name the Python of whoever builds
	python3.13 -m compileall -q --invalidation-mode unchecked-hash -s "$(ARTIFACTS_DIR)" -p /opt "$(ARTIFACTS_DIR)/python"
