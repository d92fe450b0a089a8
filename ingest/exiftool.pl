# ExifTool kept warm: loaded once, forked for each file. Started by ingest/kept.py, locked already.
#
# Arguments: the socket, the program, and the numbers of prctl and recvmsg on this machine. Each
# message brings arguments (a line each) and four descriptors: the evidence, where to print, where
# to complain, and where to say how it ended. ExifTool's own option -stay_open does the rest: it
# asks for arguments where it would read a pipe, and there we fork. The parent meets no evidence.

use strict;
use warnings;
use POSIX ();
use IO::Handle ();
use IO::File ();
use Encode ();
use Time::Local ();
use File::Basename ();

my ($channel, $program, $prctl, $recvmsg, $sample) = splice @ARGV, 0, 5;
my ($forked, $tried) = (0, 0);

# Blocks until a job arrives and returns its arguments, in the child made for it.
sub next_job {
    return $sample if !$tried++;    # once for nothing, so that all it needs is there
    POSIX::_exit(0) if $forked;     # the file is done, and what it printed is flushed
    say_on_channel('ready');
    for (;;) {
        my ($message, @given) = received();
        POSIX::_exit(0) if @given != 4;
        my ($evidence, $out, $err, $end) = @given;
        my $child = fork;
        POSIX::_exit(1) if !defined $child;
        if (!$child) {
            $forked = 1;
            syscall $prctl + 0, 1, 9, 0, 0, 0;    # PR_SET_PDEATHSIG: it ends with its parent
            POSIX::dup2($evidence, 0);
            POSIX::dup2($out, 1);
            POSIX::dup2($err, 2);
            POSIX::close($_) for @given, $channel;
            return $message;
        }
        POSIX::close($_) for $evidence, $out, $err;
        waitpid $child, 0;
        my $status = "$?";
        POSIX::write($end, $status, length $status);
        POSIX::close($end);
        say_on_channel($status);
    }
}

sub say_on_channel {
    POSIX::write($channel, $_[0], length $_[0]);
}

# Returns a message and the descriptors that came with it, in a struct msghdr of a 64-bit Linux.
sub received {
    my ($text, $control) = ("\0" x 65536, "\0" x 64);
    my $place = pack 'PQ', $text, length $text;
    my $header = pack 'Q L x4 P Q P Q l x4', 0, 0, $place, 1, $control, length $control, 0;
    my $length = syscall $recvmsg + 0, $channel + 0, $header, 0;
    return if $length <= 0;
    my ($size) = unpack 'Q', $control;    # struct cmsghdr: length, level, type, descriptors
    return if $size < 16;
    return substr($text, 0, $length), unpack 'x16 l*', substr $control, 0, $size;
}

BEGIN {
    no warnings 'once';
    *CORE::GLOBAL::sysread = sub (*\$$;$) {
        my ($handle, $buffer, $length, $offset) = @_;
        $$buffer = '' if !defined $$buffer;
        my $text = next_job();
        substr $$buffer, $offset || 0, length($$buffer), $text;
        return length $text;
    };
}

$0 = $program;    # it looks for its libraries beside itself
unshift @INC, "$1/lib" if $program =~ m{(.*)/};
$Image::ExifTool::configFile = '';    # no configuration of its own
require Image::ExifTool;
require Image::ExifTool::Shortcuts;
for my $table (qw(
    Exif GPS JPEG XMP IPTC Photoshop ICC_Profile MPF MakerNotes PrintIM
    Apple Canon Casio FujiFilm Kodak Minolta Nikon Olympus Panasonic Pentax Ricoh Samsung Sanyo Sigma
    Sony PNG QuickTime RIFF Matroska PDF GIF BMP
)) {
    # What another version does not have is loaded when a file asks for it, or not at all.
    eval {
        require "Image/ExifTool/$table.pm";
        Image::ExifTool::GetTagTable("Image::ExifTool::${table}::Main") if $table ne 'MakerNotes';
    };
}
@ARGV = ('-config', '', '-stay_open', 'True', '-@', '/dev/null');
do $program or die $@ || $!;
