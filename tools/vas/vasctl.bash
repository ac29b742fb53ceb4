# SPDX-License-Identifier: GPL-2.0-only
# bash completion for vasctl

_vasctl_names() {
	cat "/sys/kernel/$1"/*/name 2>/dev/null
}

_vasctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} words=() word i
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		[[ $word == -* ]] || words+=("$word")
	done
	local choices=
	case "${words[*]}" in
	'') choices='list show create clone delete exec seg' ;;
	seg) choices='list show create delete attach detach' ;;
	show | clone | delete | exec | 'seg attach' | 'seg detach')
		choices=$(_vasctl_names vas) ;;
	'seg show' | 'seg delete' | 'seg attach '* | 'seg detach '*)
		choices=$(_vasctl_names vas_segs) ;;
	esac
	[[ $cur == -* ]] && choices='--json --mode --read-only --help'
	mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$cur")
}
complete -o default -F _vasctl vasctl
