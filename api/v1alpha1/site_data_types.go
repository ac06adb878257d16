// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Database of a site.
// +kubebuilder:validation:XValidation:rule="has(self.host) != has(self.workloadRef)",message="give either host (a server elsewhere) or workloadRef (a StatefulSet in this namespace)"
// +kubebuilder:validation:XValidation:rule="self.clone.method != 'VolumeSnapshot' || has(self.workloadRef)",message="clone.method VolumeSnapshot needs workloadRef: only a server of the site's own may be cloned by its volume; use Dump"
type Database struct {
	// engine of the server: PostgreSQL.
	// +required
	// +kubebuilder:validation:Enum=PostgreSQL
	Engine string `json:"engine,omitempty"`
	// host of a server that does not run in this namespace.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Host string `json:"host,omitempty"`
	// workloadRef names the StatefulSet of a server that serves this site alone.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.kind == 'StatefulSet'",message="workloadRef.kind must be StatefulSet; for a server that runs in any other way give host"
	WorkloadRef *WorkloadRef `json:"workloadRef,omitempty"`
	// serviceRef names the Service under which the application reaches the
	// server of workloadRef. Default: the StatefulSet's serviceName.
	// +optional
	ServiceRef *LocalRef `json:"serviceRef,omitempty"`
	// port of the server. Default 5432.
	// +optional
	// +default=5432
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`
	// name of the database.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^[a-z_][a-z0-9_]*$`
	Name string `json:"name,omitempty"`
	// tablePrefix of the LMS's tables, such as mdl_.
	// +optional
	// +kubebuilder:validation:MaxLength=10
	// +kubebuilder:validation:Pattern=`^[a-z0-9_]*$`
	TablePrefix string `json:"tablePrefix,omitempty"`
	// ownerSecretRef names a Secret with username and password of the owner of
	// the database. On the live site only GoLive and Rollback open it.
	// +required
	OwnerSecretRef LocalRef `json:"ownerSecretRef,omitzero"`
	// readerSecretRef names a Secret with username and password of a role that
	// can only read: stocktake, counts and dumps use it.
	// +required
	ReaderSecretRef LocalRef `json:"readerSecretRef,omitzero"`
	// ownerRole is the role that owns the database. Copies give it a new
	// password without ever seeing the live one. Default: the database's name.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z_][a-z0-9_]*$`
	OwnerRole string `json:"ownerRole,omitempty"`
	// readerRole is the role of readerSecretRef. Default: the database's name with _reader.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z_][a-z0-9_]*$`
	ReaderRole string `json:"readerRole,omitempty"`
	// clone says how a copy of the database is made.
	// +required
	Clone DatabaseClone `json:"clone,omitzero"`
}

// DatabaseClone says how a copy of the database is made.
type DatabaseClone struct {
	// method is VolumeSnapshot (the server's volume) or Dump (the engine's own tools). Dump
	// is accepted, for a server elsewhere, and not built: copies are refused.
	// +required
	// +kubebuilder:validation:Enum=VolumeSnapshot;Dump
	Method CloneMethod `json:"method,omitempty"`
}

// SiteVolume is one volume with files of the site.
type SiteVolume struct {
	// name by which plans and backups refer to the volume; database is that of the database.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:XValidation:rule="self != 'database'",message="no volume may be called database: backups call the database's own so; give another name"
	Name string `json:"name,omitempty"`
	// claimName of the PersistentVolumeClaim.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ClaimName string `json:"claimName,omitempty"`
	// mountPath in the application container.
	// +required
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^/[^:]*$`
	MountPath string `json:"mountPath,omitempty"`
	// clone says how a copy of the volume is made.
	// +required
	Clone VolumeClone `json:"clone,omitzero"`
	// missingFiles is how many files the database is known to name that are not there: so
	// many are reported, and blamed on no backup and no upgrade. Of the first volume; 0 by default.
	// +optional
	// +kubebuilder:validation:Minimum=0
	MissingFiles int64 `json:"missingFiles,omitempty"`
}

// VolumeClone says how a copy of a volume is made.
type VolumeClone struct {
	// method is VolumeSnapshot, or Omit for what copies do not need.
	// +required
	// +kubebuilder:validation:Enum=VolumeSnapshot;Omit
	Method CloneMethod `json:"method,omitempty"`
}

// PodSecurityLevel is a level of the Pod Security Standards.
// +kubebuilder:validation:Enum=Restricted;Baseline
type PodSecurityLevel string

// Levels that a copy may run at.
const (
	LevelRestricted PodSecurityLevel = "Restricted"
	LevelBaseline   PodSecurityLevel = "Baseline"
)

// Copies says what copies of the site may see and be.
type Copies struct {
	// secrets that a copy may see, besides the configuration file. The
	// database's passwords are never among them: copies get new ones.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Secrets []string `json:"secrets,omitempty"`
	// storageClassName of a copy's volumes, of the same driver as the site's own.
	// What it makes must go with its claim (reclaimPolicy Delete): a copy holds
	// users' data and must leave none behind. Default: the class of each volume.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	StorageClassName string `json:"storageClassName,omitempty"`
	// podSecurity is the level at which pods with the LMS's image run. Default Restricted.
	// +optional
	// +default="Restricted"
	PodSecurity PodSecurityLevel `json:"podSecurity,omitempty"`
}

// BackupContent is a part of a site that a backup location holds.
// +kubebuilder:validation:Enum=Database;Files
type BackupContent string

// Contents of a backup.
const (
	HoldsDatabase BackupContent = "Database"
	HoldsFiles    BackupContent = "Files"
)

// Backup says where backups of the site go.
type Backup struct {
	// locations of copies. At least two failure domains make a backup.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	Locations []BackupLocation `json:"locations,omitempty"`
}

// BackupLocation is one place where a copy of the site is kept.
// +kubebuilder:validation:XValidation:rule="has(self.volumeSnapshot) != has(self.volume)",message="give exactly one of volumeSnapshot and volume"
type BackupLocation struct {
	// name of the location.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name,omitempty"`
	// holds says which parts of the site are kept here.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=2
	Holds []BackupContent `json:"holds,omitempty"`
	// failureDomain names what fails as one: two copies in one domain count once.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	FailureDomain string `json:"failureDomain,omitempty"`
	// volumeSnapshot keeps CSI snapshots.
	// +optional
	VolumeSnapshot *SnapshotLocation `json:"volumeSnapshot,omitempty"`
	// volume keeps a logical dump and a copy of the files on a volume.
	// +optional
	Volume *VolumeLocation `json:"volume,omitempty"`
}

// SnapshotLocation keeps CSI snapshots.
type SnapshotLocation struct {
	// className of the VolumeSnapshotClass.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ClassName string `json:"className,omitempty"`
}

// VolumeLocation keeps a dump and files on a claim in the Site's namespace.
type VolumeLocation struct {
	// claimName of the PersistentVolumeClaim. Its volume should be retained
	// when the claim goes (reclaim policy Retain): a backup must outlive its
	// namespace. Its name must begin with gradus-: a policy keeps Gradus from
	// writing to any other claim before go-live.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.startsWith('gradus-')",message="the name of a backup volume's claim must begin with gradus-: Gradus may write to no other claim of the site before go-live"
	ClaimName string `json:"claimName,omitempty"`
}

// Calendar of a site.
type Calendar struct {
	// freezes are days on which no plan of this site goes live.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Freezes []Freeze `json:"freezes,omitempty"`
}

// Freeze is a span of days, both included, in the Site's time zone.
// +kubebuilder:validation:XValidation:rule="self.from <= self.to",message="from must not be after to"
type Freeze struct {
	// name that people know the freeze by.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`
	// from is the first day, such as 2027-01-25.
	// +required
	// +kubebuilder:validation:MaxLength=10
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}$`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:XValidation:rule="timestamp(self + 'T00:00:00Z').getFullYear() >= 2000",message="from must be a day such as 2027-01-18"
	From string `json:"from,omitempty"`
	// to is the last day.
	// +required
	// +kubebuilder:validation:MaxLength=10
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}$`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:XValidation:rule="timestamp(self + 'T00:00:00Z').getFullYear() >= 2000",message="to must be a day such as 2027-01-18"
	To string `json:"to,omitempty"`
}

// GetOwnerRole gives the owner of the database, with its default.
func (d Database) GetOwnerRole() string {
	if d.OwnerRole != "" {
		return d.OwnerRole
	}
	return d.Name
}

// GetReaderRole gives the reading role, with its default.
func (d Database) GetReaderRole() string {
	if d.ReaderRole != "" {
		return d.ReaderRole
	}
	return d.Name + "_reader"
}
