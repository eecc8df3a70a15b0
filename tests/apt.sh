# To be sourced: downloads of Debian packages that leave this machine's package lists as
# they are.

# apt_of ARCHITECTURE "ARCHIVE SUITE"...: from here on apt has its lists in ./apt, of
# these suites.
apt_of() {
	mkdir -p apt/lists/partial apt/cache/archives/partial
	touch apt/status
	cat >apt/apt.conf <<-END
		Dir::State::lists "$PWD/apt/lists";
		Dir::State::status "$PWD/apt/status";
		Dir::Cache "$PWD/apt/cache";
		Dir::Etc::sourcelist "$PWD/apt/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		APT::Architecture "$1";
		APT::Architectures { "$1"; };
		APT::Sandbox::User "root";
	END
	shift
	printf "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/%s main\n" "$@" >apt/sources.list
	export APT_CONFIG=$PWD/apt/apt.conf
	apt-get update -qq
}
